//! Sealing the values of one document.

use palisade_core::random;
use serde_json::Value;

use crate::format::{Blank, Kind, Output};
use crate::session::{Session, with_content};
use crate::suite::{Failed, Series, Xaes};
use crate::{Context, Error, Suite};

/// Seals the values of one document, with nonces of one series.
///
/// Whoever sees the document sees which values belong together, with and without that.
pub(crate) struct Sealer<'s, 'a> {
    session: &'s Session<'a>,
    /// Begun with the first value, because most documents have none to seal.
    series: Option<Series>,
}

impl<'s, 'a> Sealer<'s, 'a> {
    pub(crate) const fn new(session: &'s Session<'a>) -> Self {
        Self {
            session,
            series: None,
        }
    }

    /// Appends the sealed value to `out`.
    pub(crate) fn seal(
        &mut self,
        kind: Kind,
        content: &[u8],
        place: &Context<'_>,
        out: &mut impl Output,
    ) -> Result<(), Error> {
        let known = &mut self.series;
        let seal = |cipher: &Xaes, blank: Blank<'_>, additional: &[u8]| {
            let failed = |Failed| Error::CannotSeal(Suite::Xaes);
            let series = match known {
                Some(series) => series,
                None => known.insert(Series::new(cipher, random::nonce()?).map_err(failed)?),
            };
            *blank.tag = series
                .seal(blank.nonce, additional, blank.text)
                .map_err(failed)?;
            Ok(())
        };
        self.session.write(kind, content, place, out, seal)
    }

    pub(crate) fn seal_value(
        &mut self,
        value: &Value,
        place: &Context<'_>,
        out: &mut impl Output,
    ) -> Result<(), Error> {
        with_content(value, |kind, content| self.seal(kind, content, place, out))
    }
}
