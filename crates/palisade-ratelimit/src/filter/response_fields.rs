use std::fmt;
use std::sync::Arc;

use http::Response;

use crate::charge::{Paid, PaidTo, Plan};
use crate::filter::headers::{Fixed, Headers, Items, Numbers, Shown};
use crate::limits::Limits;
use crate::policy::Refund;

/// The fields that the response to a counted request gets, and the charge that it may give back.
///
/// Small, because it lies in the future of every response.
#[derive(Default)]
pub struct ResponseFields(Kind);

#[derive(Default)]
enum Kind {
    /// Nothing is left to do.
    #[default]
    Done,
    /// The usual case: a limit of the policy's own, numbers that are not large, and no refund.
    Fields {
        fixed: &'static Fixed,
        remaining: u32,
        left: u32,
        full_at: u32,
    },
    /// The same with an item for each limit, where the limit's values lie too.
    Listed(Box<Items>),
    General(Box<General>),
}

struct General {
    shown: Shown,
    numbers: Numbers,
    refund: Option<PendingRefund>,
    items: Option<Box<Items>>,
}

struct PendingRefund {
    when: Arc<Refund>,
    paid: Paid,
}

impl ResponseFields {
    /// The fields will speak of this limit, the closest.
    #[inline]
    pub(crate) fn new(
        limits: &Limits,
        own: Shown,
        plan: &Plan,
        to: PaidTo,
        items: Option<Box<Items>>,
    ) -> Self {
        let policy = &limits.policies[plan.policy];
        let refund = policy.refund.as_ref().map(|when| PendingRefund {
            when: Arc::clone(when),
            paid: Paid { plan: *plan, to },
        });
        if limits.headers == Headers::Off && refund.is_none() {
            return Self::default();
        }
        let numbers = own.numbers(limits.unix(plan.now));
        if refund.is_none()
            && items.is_none()
            && let Some(fixed) = own.fixed()
            && let Ok(remaining) = u32::try_from(numbers.remaining)
            && let Ok(left) = u32::try_from(numbers.left)
            && let Ok(full_at) = u32::try_from(numbers.full_at)
        {
            return Self(Kind::Fields {
                fixed,
                remaining,
                left,
                full_at,
            });
        }
        match (items, own.fixed()) {
            (Some(mut items), Some(fixed)) if refund.is_none() => {
                items.closest = Some((fixed, numbers));
                Self(Kind::Listed(items))
            }
            (items, _) => Self::general(own, numbers, refund, items),
        }
    }

    /// Whether there is anything to write or to give back.
    #[inline]
    pub(crate) const fn needs_response(&self) -> bool {
        !matches!(self.0, Kind::Done)
    }

    #[cold]
    fn general(
        shown: Shown,
        numbers: Numbers,
        refund: Option<PendingRefund>,
        items: Option<Box<Items>>,
    ) -> Self {
        Self(Kind::General(Box::new(General {
            shown,
            numbers,
            refund,
            items,
        })))
    }

    #[inline]
    pub(crate) fn settle<B>(self, limits: &Limits, response: &mut Response<B>) {
        match self.0 {
            Kind::Done => {}
            Kind::Fields {
                fixed,
                remaining,
                left,
                full_at,
            } => {
                let numbers = Numbers {
                    remaining: remaining.into(),
                    left: left.into(),
                    full_at: full_at.into(),
                };
                limits
                    .headers
                    .write_fixed(fixed, numbers, response.headers_mut());
            }
            Kind::Listed(items) => limits
                .headers
                .write_list_fixed(&items, response.headers_mut()),
            Kind::General(general) => general.settle(limits, response),
        }
    }
}

impl General {
    fn settle<B>(self, limits: &Limits, response: &mut Response<B>) {
        if let Some(refund) = self.refund
            && (refund.when)(response.status())
        {
            limits.refund_soon(refund.paid);
        }
        let headers = response.headers_mut();
        match &self.items {
            Some(items) => limits
                .headers
                .write_list(&self.shown, self.numbers, items, headers),
            None => limits.headers.write(&self.shown, self.numbers, headers),
        }
    }
}

impl fmt::Debug for ResponseFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFields")
    }
}
