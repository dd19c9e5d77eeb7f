use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Shared state that is either counted, or static after [`Handle::leak`].
///
/// Servers clone a service for every request, and each clone of an `Arc` writes to one contended counter: with a
/// handful of layers two threads then run slower than one. State that lives as long as the process can be leaked once
/// at start-up, after which a clone is the copy of a pointer.
///
/// # Example
///
/// ```
/// use palisade_core::Handle;
///
/// let counted = Handle::new(String::from("state"));
/// let fixed = counted.clone().leak();
/// assert!(std::ptr::eq(&*counted, &*fixed), "both see the same state");
/// ```
pub struct Handle<T: 'static>(Kind<T>);

enum Kind<T: 'static> {
    Counted(Arc<T>),
    Static(&'static T),
}

impl<T> Handle<T> {
    /// Puts `value` behind a reference count.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Kind::Counted(Arc::new(value)))
    }

    /// Keeps the state for the rest of the process, so that clones of the result no longer count.
    ///
    /// Handles that were cloned before still see the same state. Meant for start-up: memory leaked in a loop is gone.
    #[must_use]
    pub fn leak(self) -> Self {
        match self.0 {
            Kind::Counted(counted) => {
                let forever: &'static Arc<T> = Box::leak(Box::new(counted));
                Self(Kind::Static(forever))
            }
            Kind::Static(_) => self,
        }
    }

    /// Whether nobody else holds the state: never once it has been leaked.
    ///
    /// Another thread that holds the last other clone may drop it at any time, so only `true` is certain, and only
    /// where nobody can clone this one meanwhile.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        match &self.0 {
            Kind::Counted(counted) => Arc::strong_count(counted) == 1,
            Kind::Static(_) => false,
        }
    }

    /// The state as a static reference, once it has been leaked.
    #[inline]
    #[must_use]
    pub fn as_static(&self) -> Option<&'static T> {
        match &self.0 {
            Kind::Counted(_) => None,
            Kind::Static(fixed) => Some(fixed),
        }
    }

    /// Whether two handles share their state.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        std::ptr::eq::<T>(&**self, &**other)
    }
}

impl<T> Deref for Handle<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.0 {
            Kind::Counted(counted) => counted,
            Kind::Static(fixed) => fixed,
        }
    }
}

impl<T> Clone for Handle<T> {
    #[inline]
    fn clone(&self) -> Self {
        match &self.0 {
            Kind::Counted(counted) => Self(Kind::Counted(Arc::clone(counted))),
            Kind::Static(fixed) => Self(Kind::Static(fixed)),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaked_and_counted_handles_share_state() {
        let counted = Handle::new(std::sync::atomic::AtomicU32::new(0));
        let fixed = counted.clone().leak();
        fixed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(counted.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert!(counted.ptr_eq(&fixed.leak()));
    }

    #[test]
    fn a_handle_is_unique_until_it_is_cloned_or_leaked() {
        let first = Handle::new(0);
        assert!(first.is_unique());
        let second = first.clone();
        assert!(!first.is_unique());
        drop(second);
        assert!(first.is_unique());
        assert!(!first.leak().is_unique());
    }
}
