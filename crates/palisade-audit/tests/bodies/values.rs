//! Values of the kinds that the shapes name, made from a seed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Nouns of interfaces, many of which look a little like the name of a secret; words of texts; parts of names.
const LISTS: &str = include_str!("words.txt");

/// Numbers from a seed (splitmix64).
pub(crate) struct Seeded {
    state: u64,
    nouns: Vec<&'static str>,
    words: Vec<&'static str>,
    names: Vec<&'static str>,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        let mut lists = LISTS
            .split("\n\n")
            .map(|list| list.split_whitespace().collect());
        Self {
            state: seed,
            nouns: lists.next().unwrap(),
            words: lists.next().unwrap(),
            names: lists.next().unwrap(),
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    pub(crate) fn noun(&mut self) -> &'static str {
        let nth = self.below(self.nouns.len() as u64) as usize;
        self.nouns[nth]
    }

    fn word(&mut self) -> &'static str {
        let nth = self.below(self.words.len() as u64) as usize;
        self.words[nth]
    }

    fn name(&mut self) -> &'static str {
        let nth = self.below(self.names.len() as u64) as usize;
        self.names[nth]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + self.below(10) as u8))
            .collect()
    }

    fn text(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(self.of(alphabet))).collect()
    }

    fn hex(&mut self, count: usize) -> String {
        self.text(b"0123456789abcdef", count)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// Digits with the check digit of article numbers (GS1 General Specifications, section 7.9).
    fn gtin(&mut self, lead: &str, count: usize) -> String {
        let mut digits = lead.to_owned();
        digits += &self.digits(count - 1 - lead.len());
        let sum: u32 = digits
            .bytes()
            .rev()
            .enumerate()
            .map(|(nth, digit)| u32::from(digit - b'0') * if nth % 2 == 0 { 3 } else { 1 })
            .sum();
        format!("{digits}{}", (10 - sum % 10) % 10)
    }

    fn words(&mut self, count: u64) -> String {
        let words: Vec<_> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn slug(&mut self) -> String {
        format!("{}-{}", self.noun(), self.below(100))
    }

    fn uuid(&mut self) -> String {
        let hex = self.hex(30);
        format!(
            "{}-{}-4{}-a{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..15],
            &hex[15..18],
            &hex[18..]
        )
    }

    fn time(&mut self) -> String {
        let (day, hour) = (self.below(28) + 1, self.below(24));
        format!(
            "2026-{:02}-{day:02}T{hour:02}:{:02}:{:02}.{}Z",
            self.below(12) + 1,
            self.below(60),
            self.below(60),
            self.digits(3)
        )
    }

    fn url(&mut self) -> String {
        let (noun, id) = (self.noun(), self.below(1 << 33));
        match self.below(4) {
            0 => format!("https://{noun}.example.com/{id}"),
            1 => format!(
                "https://api.example.com/v1/{noun}/{id}?page={}&sort=name",
                self.below(50)
            ),
            2 => format!(
                "https://cdn.example.net/{noun}/{}.png?v={}",
                self.hex(40),
                self.below(2_000_000_000)
            ),
            _ => format!(
                "https://example.org:8443/{noun}{{/{noun}_id}}#{}",
                self.uuid()
            ),
        }
    }

    fn thumbnail(&mut self) -> String {
        let len = 60 + self.below(700) as usize;
        let picture = self.bytes(len);
        match self.below(3) {
            0 => format!("data:image/png;base64,{}", STANDARD.encode(picture)),
            1 => URL_SAFE_NO_PAD.encode(picture),
            _ => STANDARD.encode(picture),
        }
    }

    /// The identifiers of orders and the like; of every length, with and without a date or gaps.
    fn order(&mut self) -> String {
        match self.below(6) {
            0 => format!(
                "2026{:02}{:02}{}",
                self.below(12) + 1,
                self.below(28) + 1,
                self.digits(8)
            ),
            1 => format!(
                "{}-{}-{}",
                100 + self.below(600),
                self.digits(7),
                self.digits(7)
            ),
            2 => format!("ORD-{}", self.digits(10)),
            3 => format!("#{}", 1_000 + self.below(90_000)),
            4 => {
                let len = 6 + self.below(7) as usize;
                self.digits(len)
            }
            _ => format!("{}/{}", 2_020 + self.below(7), self.digits(6)),
        }
    }

    fn cursor(&mut self) -> String {
        match self.below(3) {
            0 => STANDARD.encode(format!(
                "{{\"id\":{},\"dir\":\"next\"}}",
                self.below(1 << 40)
            )),
            1 => format!(
                "C{}",
                self.text(
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                    38
                )
            ),
            _ => STANDARD.encode(self.bytes(24)),
        }
    }

    /// A value of a kind.
    pub(crate) fn value(&mut self, kind: &str) -> Value {
        const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        const BASE62: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let text = match kind {
            "null" => return Value::Null,
            "flag" => return json!(self.below(2) == 0),
            "count" => return json!(self.below(5_000)),
            "port" => return json!(self.below(65_535) + 1),
            "month" => return json!(self.below(12) + 1),
            "year" => return json!(2_026 + self.below(8)),
            "minor" => return json!(self.below(500_000)),
            "epoch" => return json!(1_700_000_000 + self.below(200_000_000)),
            "millis" => return json!(1_700_000_000_000 + self.below(200_000_000_000)),
            "id" => return json!(10_000 + self.below(40_000_000_000)),
            "shopid" => return json!(450_000_000_000 + self.below(9_000_000_000_000)),
            "fraction" => return json!(self.below(1 << 53) as f64 / (1_u64 << 53) as f64),
            "coordinate" => {
                return json!(self.below(1 << 53) as f64 / (1_u64 << 53) as f64 * 180.0 - 90.0);
            }
            "coordinatetext" => {
                (self.below(1 << 53) as f64 / (1_u64 << 53) as f64 * 90.0).to_string()
            }
            "nanos" => format!("17{}", self.digits(17)),
            "snowflake" => {
                (100_000_000_000_000_000 + self.below(1_300_000_000_000_000_000)).to_string()
            }
            "empty" => String::new(),
            "base64" => STANDARD.encode(format!(
                "0{}:{}{}",
                self.below(99),
                self.noun(),
                self.below(1 << 40)
            )),
            "base62" => self.text(BASE62, 16),
            "base32" => self.text(b"0123456789abcdefghijklmnopqrstuv", 26),
            "slug" => self.slug(),
            "path" => format!("/{}/{}/{}", self.noun(), self.below(1 << 33), self.noun()),
            "url" => self.url(),
            "gitssh" => format!("git@github.com:{}/{}.git", self.noun(), self.slug()),
            "word" => self.noun().to_owned(),
            "dotted" => format!("com.example.{}.{}", self.noun(), self.noun()),
            "sentence" | "street" => {
                let count = 2 + self.below(9);
                format!("{} {}", self.words(count), self.below(400))
            }
            "logline" => {
                let (time, path) = (self.time(), self.slug());
                format!(
                    "{time} INFO GET /{path} 200 in {} ms, id={} key={} attempt=1/3",
                    self.below(900),
                    self.uuid(),
                    self.slug()
                )
            }
            "name" => format!("{} {}", self.name(), self.name()),
            "sha1" => self.hex(40),
            "sha256" | "hex64" => self.hex(64),
            "hex32" => self.hex(32),
            "hex16" => self.hex(16),
            "hex10" => self.hex(10),
            "digest" => format!("sha256:{}", self.hex(64)),
            "container" => format!("containerd://sha256:{}", self.hex(64)),
            "image" => format!(
                "registry.example.com:5000/{}:{}.{}@sha256:{}",
                self.slug(),
                self.below(9),
                self.below(30),
                self.hex(64)
            ),
            "traceparent" => format!("00-{}-{}-01", self.hex(32), self.hex(16)),
            "etag" => format!("W/\"{}\"", self.hex(32)),
            "uuid" => self.uuid(),
            "prefixed" => format!(
                "{}_{}",
                self.of(&["ch", "pi", "in", "cus", "txn", "price", "sub"]),
                self.text(BASE62, 24)
            ),
            "gid" => format!(
                "gid://shop/Order/{}",
                450_000_000_000 + self.below(9_000_000_000_000)
            ),
            "order" => self.order(),
            "sku" => format!(
                "{}-{}-{}",
                self.text(UPPER, 3),
                self.digits(4),
                self.text(UPPER, 2)
            ),
            "serial" => format!("{}{}", self.text(UPPER, 4), self.digits(8)),
            // Of every country; those of Germany begin with 4.
            "ean" => {
                let lead = self.of(&["0", "4", "3", "5", "7", "8", "40", "50", "76"]);
                self.gtin(lead, 13)
            }
            "gtin14" => {
                let lead = self.of(&["0", "1", "2"]);
                self.gtin(lead, 14)
            }
            "isbn" => {
                let lead = self.of(&["978", "979"]);
                self.gtin(lead, 13)
            }
            "imei" => format!("{}{}", self.of(&["35", "86", "01"]), self.digits(13)),
            "tracking" => match self.below(4) {
                0 => format!("1Z{}{}", self.text(UPPER, 6), self.digits(10)),
                1 => format!("94{}", self.digits(20)),
                2 => format!("{}{}CH", self.text(UPPER, 2), self.digits(9)),
                _ => self.digits(12),
            },
            "contact" => format!("0800-{}-{}", self.digits(3), self.digits(3)),
            "four" => self.digits(4),
            "zip" => self.digits(5),
            "price" => format!("{}.{}", self.below(5_000), self.digits(2)),
            "decimaltext" => format!("{}.{}", self.below(900), self.below(10)),
            "currency" => self.of(&["EUR", "CHF", "USD"]).to_owned(),
            "country" => self.of(&["CH", "DE", "US"]).to_owned(),
            "iata" => self.of(&["ZRH", "FRA", "LHR"]).to_owned(),
            "zone" => "Europe/Zurich".to_owned(),
            "locator" => self.text(UPPER, 6),
            "flight" => format!("LX{}", self.below(2_000)),
            "seat" => format!("{}{}", self.below(40) + 1, self.text(b"ABCDEF", 1)),
            "version" => format!(
                "{}.{}.{}-rc.{}",
                self.below(20),
                self.below(40),
                self.below(400),
                self.below(9)
            ),
            "date" => self.time()[..10].to_owned(),
            "time" => self.time(),
            "rrule" => format!(
                "RRULE:FREQ=WEEKLY;UNTIL=2026{:02}01T000000Z;BYDAY=MO",
                self.below(12) + 1
            ),
            "ical" => format!(
                "{}@calendar.example.com",
                self.text(b"0123456789abcdefghijklmnopqrstuv", 26)
            ),
            "mime" => "application/json; charset=utf-8".to_owned(),
            "agent" => format!(
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{}.0.0.0",
                self.below(140)
            ),
            "ip" => format!(
                "10.{}.{}.{}",
                self.below(256),
                self.below(256),
                self.below(256)
            ),
            "host" => format!(
                "ip-10-{}-{}.eu-central-1.internal",
                self.below(256),
                self.below(256)
            ),
            "file" => format!("src/{}/{}.rs", self.noun(), self.noun()),
            "patch" => format!(
                "@@ -{},7 +{},7 @@ fn {}() {{\n-    let x = {};\n+    let x = {};",
                self.below(900),
                self.below(900),
                self.noun(),
                self.below(90),
                self.below(90)
            ),
            "tags" => format!("{}, {}", self.noun(), self.noun()),
            "slackid" => format!("C{}", self.text(UPPER, 10)),
            "slackts" => format!(
                "{}.{}",
                1_700_000_000 + self.below(200_000_000),
                self.digits(6)
            ),
            "cursor" => self.cursor(),
            "thumbnail" => self.thumbnail(),
            other => panic!("no kind {other:?}"),
        };
        Value::String(text)
    }
}
