//! The path of a request whose counts are in memory: it does not wait, allocate, or ask for the time twice.

#[path = "../support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body_util::Empty;
use palisade_ratelimit::{
    HOUR, Headers, KeyChain, Limit, Policy, RateLimit, RateLimitBuilder, RateLimitLayer, burst,
    per_hour, per_second,
};
use support::{from, with};
use tower::{Layer, Service};

/// A handler that costs nothing by itself.
#[derive(Clone)]
struct Free;

impl Service<Request<()>> for Free {
    type Response = Response<Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Empty::new())))
    }
}

/// The status of the answer, which has to be there at once.
fn send(service: &RateLimit<Free>, request: Request<()>) -> u16 {
    let mut service = service.clone();
    let context = &mut Context::from_waker(Waker::noop());
    assert!(service.poll_ready(context).is_ready());
    match pin!(service.call(request)).poll(context) {
        Poll::Ready(Ok(response)) => response.status().as_u16(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("a request waited for a store in memory"),
    }
}

fn endless() -> Limit {
    Limit::token_bucket(per_second(1_000_000_000), burst(1_000_000_000))
}

fn limited(limit: Limit) -> RateLimitBuilder {
    RateLimitLayer::builder().policy(Policy::new("api").limit(limit))
}

/// A way through the layer: its settings, what is sent, and how that is answered.
struct Way {
    name: &'static str,
    layer: fn() -> RateLimitBuilder,
    request: fn() -> Request<()>,
    status: u16,
}

const ADDRESS: &str = "203.0.113.7";

fn plain() -> Request<()> {
    from(ADDRESS)
}

fn claiming() -> Request<()> {
    with(from("2001:db8:7::1"), "x-track-id", "device-1")
}

const WAYS: [Way; 5] = [
    Way {
        name: "by address",
        layer: || limited(endless()).headers(Headers::Off),
        request: plain,
        status: 200,
    },
    Way {
        name: "several limits",
        layer: || {
            let policy = Policy::new("api").limit(endless());
            let windows = policy
                .limit(Limit::sliding(u32::MAX, HOUR))
                .limit(Limit::fixed(u32::MAX, HOUR));
            RateLimitLayer::builder()
                .policy(windows)
                .headers(Headers::Off)
        },
        request: plain,
        status: 200,
    },
    Way {
        name: "a claim, its address and its site",
        layer: || {
            limited(endless())
                .key(KeyChain::new().claimed_header("x-track-id").client_ip())
                .ip_backstop(endless())
                .v6_site_limit(endless())
                .headers(Headers::Off)
        },
        request: claiming,
        status: 200,
    },
    Way {
        name: "with headers",
        layer: || limited(endless()),
        request: plain,
        status: 200,
    },
    Way {
        name: "refused",
        layer: || limited(Limit::token_bucket(per_hour(1), burst(1))),
        request: plain,
        status: 429,
    },
];

impl Way {
    /// A service that has seen the client, so that neither its slot nor the table's memory is to be taken.
    fn service(&self) -> RateLimit<Free> {
        let service = (self.layer)().build().unwrap().layer(Free);
        assert_eq!(send(&service, (self.request)()), 200, "{}", self.name);
        service
    }
}

/// Nor does it where the calendar is asked: the window of the time is at hand. With headers it is their one piece of memory.
#[cfg(feature = "calendar")]
#[test]
fn a_window_of_the_calendar_costs_no_allocation() {
    use palisade_ratelimit::Calendar;
    let monthly = || limited(Limit::calendar(u32::MAX, Calendar::month("Europe/Berlin")));
    for (layer, most) in [(monthly().headers(Headers::Off), 0), (monthly(), 3)] {
        let service = layer.build().unwrap().layer(Free);
        assert_eq!(send(&service, plain()), 200);
        let request = plain();
        let counted = allocation_counter::measure(|| {
            assert_eq!(send(&service, request), 200);
        });
        assert!(counted.count_total <= most, "{}", counted.count_total);
    }
}

/// The map of the fields takes two, of which a server's response has one already, and the values of three fields one. With
/// a list there is one for the states, and one for each of the two fields that list.
#[test]
fn a_list_of_limits_costs_three_allocations_more() {
    let limits = || {
        let policy = Policy::new("api").limit(endless());
        let windows = policy
            .limit(Limit::sliding(u32::MAX, HOUR))
            .limit(Limit::fixed(u32::MAX, HOUR));
        RateLimitLayer::builder().policy(windows)
    };
    for (layer, most) in [(limits(), 3), (limits().list_limits(), 6)] {
        let service = layer.build().unwrap().layer(Free);
        assert_eq!(send(&service, plain()), 200);
        let request = plain();
        let counted = allocation_counter::measure(|| {
            assert_eq!(send(&service, request), 200);
        });
        assert!(counted.count_total <= most, "{}", counted.count_total);
    }
}

#[test]
fn a_request_without_headers_allocates_nothing() {
    for way in WAYS.iter().take(3) {
        let service = way.service();
        let requests: Vec<_> = (0..100).map(|_| (way.request)()).collect();
        let mut requests = requests.into_iter();
        let counted = allocation_counter::measure(|| {
            for request in requests.by_ref() {
                assert_eq!(send(&service, request), way.status);
            }
        });
        assert_eq!(counted.count_total, 0, "{}", way.name);
    }
}

/// Sends so many requests on one way, in a process of its own, which the test below starts.
#[test]
fn so_many_requests_on_one_way() {
    let Ok(order) = std::env::var("PALISADE_TEST_REQUESTS") else {
        return;
    };
    let (count, name) = order.split_once(' ').unwrap();
    let way = WAYS.iter().find(|way| way.name == name).unwrap();
    let service = way.service();
    for _ in 0..count.parse::<u32>().unwrap() {
        assert_eq!(send(&service, (way.request)()), way.status);
    }
}

#[test]
fn a_request_reads_the_clock_once() {
    let counter = clock_counter();
    for way in &WAYS {
        let [few, many] = [200, 600].map(|count| reads(&counter, count, way.name));
        // What the program does besides is the same in both, but for a read or two of the test harness.
        let (monotonic, wall) = (many.0 - few.0, many.1.abs_diff(few.1));
        assert!(
            (390..=410).contains(&monotonic),
            "{}: 400 requests read the monotonic clock {monotonic} times",
            way.name
        );
        // A refusal's body says when it was made. Otherwise wall time is told from the other clock, and read about
        // once a second.
        let most = if way.status == 429 { 410 } else { 5 };
        assert!(
            wall <= most,
            "{}: 400 requests read wall time {wall} times",
            way.name
        );
    }
}

/// The number of times that a program which sends so many requests reads the monotonic clock and wall time.
fn reads(counter: &Path, count: u32, way: &str) -> (u64, u64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["so_many_requests_on_one_way", "--exact", "--test-threads=1"])
        .env("PALISADE_TEST_REQUESTS", format!("{count} {way}"))
        .env("LD_PRELOAD", counter)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let value = |name: &str| {
        let rest = text.split_once(name).map(|(_, rest)| rest.split_once(';'));
        rest.flatten().unwrap().0.parse::<u64>().unwrap()
    };
    (value("monotonic="), value("wall="))
}

/// The library that counts. Built by the C compiler that every Rust program is linked with.
fn clock_counter() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hot_path/count_reads.c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("count_reads.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "a C compiler is needed, as `cc`; `apt-get install gcc` installs one"
    );
    library
}
