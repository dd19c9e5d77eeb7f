use crate::{KeyId, Suite};

/// The place of a value. What was sealed for one place opens in no other.
///
/// A place is a record type, a path inside the record, and, if you set them, a tenant and the id of the record. They
/// are authenticated, not stored: the reader must know them.
///
/// # Example
///
/// ```
/// use palisade_crypto::Context;
///
/// let email = Context::new("users").path("/email").tenant("t1").record_id("42");
/// # let _ = email;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    record_type: &'a str,
    path: &'a str,
    tenant: Option<&'a str>,
    record_id: Option<&'a str>,
}

impl<'a> Context<'a> {
    /// A place in records of this type, such as the name of a table, with an empty path.
    #[must_use]
    pub const fn new(record_type: &'a str) -> Self {
        Self {
            record_type,
            path: "",
            tenant: None,
            record_id: None,
        }
    }

    /// Sets the path of the field, such as `/email`; default empty, the record as a whole.
    ///
    /// For documents it is what stands before the path of each field.
    #[must_use]
    pub const fn path(mut self, path: &'a str) -> Self {
        self.path = path;
        self
    }

    /// Sets the tenant to whom the record belongs; default none, which differs from every tenant, even an unnamed one.
    #[must_use]
    pub const fn tenant(mut self, tenant: &'a str) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Sets the id of the record; default none. Without it a value may be moved to the same field of another record.
    #[must_use]
    pub const fn record_id(mut self, id: &'a str) -> Self {
        self.record_id = Some(id);
        self
    }

    pub(crate) const fn path_text(&self) -> &'a str {
        self.path
    }

    pub(crate) const fn record_type_text(&self) -> &'a str {
        self.record_type
    }

    /// Hands the additional data of the cipher to `read`; [`format`](crate::format) says how it is laid out.
    pub(crate) fn additional_data<T>(
        &self,
        suite: Suite,
        key: KeyId,
        read: impl FnOnce(&[u8]) -> T,
    ) -> T {
        const INLINE: usize = 256;
        let len = 8
            + optional_len(self.tenant)
            + 4
            + self.record_type.len()
            + 4
            + self.path.len()
            + optional_len(self.record_id);
        if len <= INLINE {
            let mut inline = [0; INLINE];
            self.write(suite, key, &mut inline[..len]);
            read(&inline[..len])
        } else {
            let mut heap = vec![0; len];
            self.write(suite, key, &mut heap);
            read(&heap)
        }
    }

    fn write(&self, suite: Suite, key: KeyId, out: &mut [u8]) {
        let mut writer = Writer { out, at: 0 };
        writer.put(b"pl1");
        writer.put(&[suite.code()]);
        writer.put(&key.0.to_be_bytes());
        writer.put_optional(self.tenant);
        writer.put_text(self.record_type);
        writer.put_text(self.path);
        writer.put_optional(self.record_id);
    }
}

fn optional_len(part: Option<&str>) -> usize {
    1 + part.map_or(0, |text| 4 + text.len())
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn put_text(&mut self, text: &str) {
        // Nothing longer than 4 GiB can be sealed, so nothing longer is ever told apart by this.
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.put(&len.to_be_bytes());
        self.put(text.as_bytes());
    }

    fn put_optional(&mut self, text: Option<&str>) {
        match text {
            None => self.put(&[0]),
            Some(text) => {
                self.put(&[1]);
                self.put_text(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(context: Context<'_>) -> Vec<u8> {
        context.additional_data(Suite::Xaes, KeyId(0x0102_0304), <[u8]>::to_vec)
    }

    #[test]
    fn every_part_is_prefixed_by_its_length() {
        let context = Context::new("users")
            .path("/email")
            .tenant("t1")
            .record_id("9");
        let expected = [
            b"pl1\x01\x01\x02\x03\x04".as_slice(),
            b"\x01\0\0\0\x02t1",
            b"\0\0\0\x05users",
            b"\0\0\0\x06/email",
            b"\x01\0\0\0\x019",
        ]
        .concat();
        assert_eq!(bytes(context), expected);
    }

    #[test]
    fn an_absent_part_differs_from_an_empty_one_and_parts_do_not_run_together() {
        let context = Context::new("ab").path("c");
        assert_ne!(bytes(context), bytes(context.tenant("")));
        assert_ne!(bytes(context), bytes(context.record_id("")));
        assert_ne!(bytes(context), bytes(Context::new("a").path("bc")));
        assert_ne!(bytes(context.tenant("x")), bytes(context.record_id("x")));
    }

    #[test]
    fn long_parts_are_bound_in_full() {
        let long = "x".repeat(5_000);
        let longer = "x".repeat(5_001);
        assert_ne!(
            bytes(Context::new("t").path(&long)),
            bytes(Context::new("t").path(&longer))
        );
    }
}
