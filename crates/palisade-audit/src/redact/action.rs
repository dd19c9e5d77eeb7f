/// The replacement for a masked value.
pub const MASK: &str = "[redacted]";

/// The treatment of a value whose name says that it is sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// The value becomes `[redacted]`. The default: that there was a value is worth knowing.
    Mask,
    /// Name and value vanish.
    Drop,
    /// The value becomes `tok_` and 22 characters that depend on it and on a key (HMAC-SHA256, 128 bits): records
    /// about the same e-mail address can be joined without anybody knowing it.
    Tokenize,
    /// The value stays, although its name is on the list.
    Keep,
}
