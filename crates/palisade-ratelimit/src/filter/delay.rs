use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use palisade_core::time;
use tokio::time::Sleep;

use crate::filter::response_fields::ResponseFields;
use crate::policy::queue::Place;

/// A request that was charged and waits for its turn.
pub(crate) struct Delay {
    sleep: Pin<Box<Sleep>>,
    fields: ResponseFields,
    _place: Place,
}

impl Delay {
    pub(crate) fn new(delay: Duration, fields: ResponseFields, place: Place) -> Self {
        Self {
            sleep: Box::pin(tokio::time::sleep_until(time::now() + delay)),
            fields,
            _place: place,
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }

    /// The fields of the response, and the charge that it may give back.
    pub(crate) fn into_fields(self) -> ResponseFields {
        self.fields
    }
}
