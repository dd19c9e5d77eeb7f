//! Bookings, sealed on their way into the database and opened on their way out.

use std::fmt::Write;

use palisade::crypto::{self, BlindIndex, Context, FieldCipher, Normaliser};
use palisade::{Code, Rejection};

use crate::booking::{Booking, NewBooking};
use crate::store::{Store, StoreError};

/// The most bookings that one answer lists.
const MOST: usize = 200;

/// The reason why a booking cannot be made or read. The caller learns that it is our fault, the log learns why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BookingError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a personal field cannot be sealed or opened")]
    Crypto(#[from] crypto::Error),
    #[error(transparent)]
    Random(#[from] palisade_core::random::RandomError),
}

impl From<BookingError> for Rejection {
    fn from(error: BookingError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "bookings failed");
        Self::new(Code::Internal)
    }
}

/// All bookings.
#[derive(Clone)]
pub(crate) struct Bookings {
    store: Store,
    cipher: FieldCipher,
    emails: BlindIndex,
}

impl Bookings {
    pub(crate) fn new(store: Store, cipher: FieldCipher) -> Self {
        let emails = BlindIndex::new(&cipher, "bookings/email").normaliser(Normaliser::Email);
        Self {
            store,
            cipher,
            emails,
        }
    }

    /// Makes a booking for `owner`.
    pub(crate) async fn create(
        &self,
        owner: &str,
        new: NewBooking,
    ) -> Result<Booking, BookingError> {
        let NewBooking {
            room,
            start,
            end,
            email,
            phone,
            credit_card,
        } = new;
        let booking = Booking {
            id: fresh_id()?,
            owner: owner.to_owned(),
            room,
            start,
            end,
            email,
            phone,
            credit_card,
        };
        let index = self.emails.token(&booking.email, None)?;
        self.store
            .insert(self.sealed(booking.clone())?, index.as_str().into())
            .await?;
        Ok(booking)
    }

    /// One booking.
    pub(crate) async fn get(&self, id: String) -> Result<Option<Booking>, BookingError> {
        self.store
            .get(id)
            .await?
            .map(|sealed| self.opened(sealed))
            .transpose()
    }

    /// The bookings of one owner, or of everybody.
    pub(crate) async fn list(&self, owner: Option<String>) -> Result<Vec<Booking>, BookingError> {
        let wanted =
            move |booking: &Booking| owner.as_ref().is_none_or(|owner| booking.owner == *owner);
        self.open_all(self.store.list(MOST, wanted).await?)
    }

    /// The bookings that were made with this e-mail address, which the database does not know.
    pub(crate) async fn by_email(&self, email: &str) -> Result<Vec<Booking>, BookingError> {
        let indexes = self
            .emails
            .query(email, None)?
            .iter()
            .map(|index| index.as_str().into())
            .collect();
        self.open_all(self.store.by_email(indexes).await?)
    }

    /// Removes a booking; answers whether it was there.
    pub(crate) async fn remove(&self, id: String) -> Result<bool, BookingError> {
        let Some(booking) = self.get(id.clone()).await? else {
            return Ok(false);
        };
        let indexes = self.emails.query(&booking.email, None)?;
        let indexes = indexes.iter().map(|index| index.as_str().into()).collect();
        Ok(self.store.remove(id, indexes).await?)
    }

    /// Whether the database answers.
    pub(crate) async fn is_healthy(&self) -> bool {
        self.store.is_healthy().await
    }

    fn open_all(&self, sealed: Vec<Booking>) -> Result<Vec<Booking>, BookingError> {
        sealed
            .into_iter()
            .map(|booking| self.opened(booking))
            .collect()
    }

    fn sealed(&self, booking: Booking) -> Result<Booking, BookingError> {
        personal(booking, |text, place| self.cipher.encrypt_str(text, place))
    }

    fn opened(&self, booking: Booking) -> Result<Booking, BookingError> {
        personal(booking, |text, place| self.cipher.decrypt_str(text, place))
    }
}

/// Changes each personal field in its own place: a value that is moved to another field or booking does not open.
fn personal(
    mut booking: Booking,
    change: impl Fn(&str, &Context<'_>) -> Result<String, crypto::Error>,
) -> Result<Booking, BookingError> {
    let Booking {
        id,
        email,
        phone,
        credit_card,
        ..
    } = &mut booking;
    let record = Context::new("bookings").record_id(id);
    *email = change(email, &record.path("/email"))?;
    *phone = change(phone, &record.path("/phone"))?;
    *credit_card = change(credit_card, &record.path("/credit_card"))?;
    Ok(booking)
}

/// An id that sorts by age and cannot be guessed: 48 bits of the time in milliseconds, 80 random bits, in hex.
fn fresh_id() -> Result<String, BookingError> {
    let millis = palisade::time::WallClock::system()
        .now()
        .as_duration()
        .as_millis();
    let mut id = format!("{millis:012x}");
    for byte in palisade_core::random::bytes::<10>()? {
        // Writing to a `String` does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}
