//! The header fields that tell clients about their limit.

mod items;
mod seconds;
mod shown;
mod text;
mod wall;

use http::{HeaderMap, HeaderName};

pub(crate) use self::items::Items;
use self::items::{POLICY, QUOTA};
use self::shown::About;
pub(crate) use self::shown::{Fixed, Numbers, Shown};
use self::text::Text;
pub(crate) use self::wall::WallTime;

/// The header fields that tell clients about their limit.
///
/// They speak of the limit that is closest to refusing: the one that refused, or that has the fewest requests left. The second
/// family can list all of them; see [`list_limits`](crate::RateLimitBuilder::list_limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Headers {
    /// Both families, the default: what clients commonly read, and what is on its way to be the standard.
    #[default]
    Both,
    /// `X-RateLimit-Limit` (the sustained rate, or the window's quota), `X-RateLimit-Remaining` (above the limit while
    /// a burst is saved up) and `X-RateLimit-Reset` (Unix seconds at which the limit is full again).
    XRateLimit,
    /// `RateLimit-Policy: "user";q=50;w=60` and `RateLimit: "user";r=12;t=30`, by
    /// draft-ietf-httpapi-ratelimit-headers-10.
    RateLimit,
    /// None. A refusal still says `Retry-After`.
    Off,
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

impl Headers {
    const fn x_rate_limit(self) -> bool {
        matches!(self, Self::Both | Self::XRateLimit)
    }

    pub(crate) const fn rate_limit(self) -> bool {
        matches!(self, Self::Both | Self::RateLimit)
    }

    /// The most fields that are written.
    pub(crate) const fn count(self) -> usize {
        3 * self.x_rate_limit() as usize + 2 * self.rate_limit() as usize
    }

    /// Writes the fields of a limit in this state.
    pub(crate) fn write(self, shown: &Shown, numbers: Numbers, headers: &mut HeaderMap) {
        self.write_about(&shown.about, numbers, headers);
    }

    /// Writes the fields: `X-RateLimit-*` of the closest limit, and an item of each in the other family.
    pub(crate) fn write_list(
        self,
        shown: &Shown,
        numbers: Numbers,
        items: &Items,
        headers: &mut HeaderMap,
    ) {
        let _ = headers.try_reserve(self.count());
        if self.x_rate_limit() {
            Self::XRateLimit.write(shown, numbers, headers);
        }
        if self.rate_limit() {
            items.write(headers);
        }
    }

    /// The same where the items know of the closest limit.
    pub(crate) fn write_list_fixed(self, items: &Items, headers: &mut HeaderMap) {
        let _ = headers.try_reserve(self.count());
        if self.x_rate_limit()
            && let Some((fixed, numbers)) = items.closest
        {
            Self::XRateLimit.write_fixed(fixed, numbers, headers);
        }
        if self.rate_limit() {
            items.write(headers);
        }
    }

    /// Writes the fields of a limit whose values were made before.
    #[inline]
    pub(crate) fn write_fixed(
        self,
        fixed: &'static Fixed,
        numbers: Numbers,
        headers: &mut HeaderMap,
    ) {
        self.write_about(&About::Fixed(fixed), numbers, headers);
    }

    /// Writes the fields, unless a limiter further in has written of a limit that is at least as close.
    #[inline]
    fn write_about(self, about: &About, numbers: Numbers, headers: &mut HeaderMap) {
        if self == Self::Off || has_closer(headers, numbers.remaining) {
            return;
        }
        if about.is_none() {
            return;
        }
        let Numbers {
            remaining,
            left,
            full_at,
        } = numbers;
        let [mut first, mut second, mut third] = std::array::from_fn(|_| itoa::Buffer::new());
        let remaining = first.format(remaining);
        let mut text = Text::new();
        let item = match self.rate_limit() {
            true => {
                let name = about.policy();
                let left = second.format(left);
                text.push(&["\"", name.as_str(), "\";r=", remaining, ";t=", left])
            }
            false => 0..0,
        };
        let (remaining, reset) = match self.x_rate_limit() {
            true => (text.push(&[remaining]), text.push(&[third.format(full_at)])),
            false => (0..0, 0..0),
        };
        let text = text.share();
        let _ = headers.try_reserve(self.count());
        if self.x_rate_limit() {
            let _ = headers.try_insert(LIMIT, about.limit());
            let _ = headers.try_insert(REMAINING, text.value(remaining));
            let _ = headers.try_insert(RESET, text.value(reset));
        }
        if self.rate_limit() {
            let _ = headers.try_insert(POLICY, about.described());
            let _ = headers.try_insert(QUOTA, text.value(item));
        }
    }
}

/// Whether the response speaks already of a limit that has as few requests left.
fn has_closer(headers: &HeaderMap, remaining: u64) -> bool {
    // A few names are compared faster than two are hashed.
    if headers.len() <= 4
        && !headers
            .keys()
            .any(|name| *name == REMAINING || *name == QUOTA)
    {
        return false;
    }
    let number = |text: &str| text.parse::<u64>().ok();
    let written = match headers.get(REMAINING) {
        Some(remaining) => remaining.to_str().ok().and_then(number),
        None => {
            let lines = headers.get_all(QUOTA).iter();
            let lines = lines.filter_map(|line| line.to_str().ok());
            let parts = lines.flat_map(|line| line.split([';', ',']));
            let left = parts.filter_map(|part| part.strip_prefix("r="));
            left.filter_map(number).min()
        }
    };
    written.is_some_and(|written| written <= remaining)
}
