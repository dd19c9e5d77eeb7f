use super::issuer::Issuer;

impl Issuer {
    /// Accepts tokens that are bound to a key (`cnf`) alone, as FAPI 2.0 asks for: who finds one can do nothing with it.
    /// Default: tokens that are bound to none are bearer tokens.
    ///
    /// Let the layer check what they are bound to, with [`AuthLayer::dpop`](crate::AuthLayer::dpop) or
    /// [`AuthLayer::mutual_tls`](crate::AuthLayer::mutual_tls).
    #[must_use]
    pub fn sender_constrained(mut self) -> Self {
        self.bound = true;
        self
    }
}
