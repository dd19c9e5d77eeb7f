/// Permissions of a sandboxed page (HTML, section 7.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sandbox {
    /// `allow-downloads`: files may be downloaded.
    Downloads,
    /// `allow-forms`: forms may be sent.
    Forms,
    /// `allow-modals`: `alert`, `print` and the like.
    Modals,
    /// `allow-orientation-lock`: the orientation of the screen may be locked.
    OrientationLock,
    /// `allow-pointer-lock`: the pointer may be captured.
    PointerLock,
    /// `allow-popups`: new windows.
    Popups,
    /// `allow-popups-to-escape-sandbox`: new windows are not sandboxed.
    PopupsToEscapeSandbox,
    /// `allow-presentation`: another screen may be used.
    Presentation,
    /// `allow-same-origin`: the page keeps its origin. Together with scripts it can leave its sandbox.
    SameOrigin,
    /// `allow-scripts`: scripts run.
    Scripts,
    /// `allow-top-navigation`: the window around the frame may be navigated.
    TopNavigation,
    /// `allow-top-navigation-by-user-activation`: the same, when the visitor clicked.
    TopNavigationByUserActivation,
    /// `allow-top-navigation-to-custom-protocols`: other applications may be opened by their schemes.
    TopNavigationToCustomProtocols,
}

impl Sandbox {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Downloads => "allow-downloads",
            Self::Forms => "allow-forms",
            Self::Modals => "allow-modals",
            Self::OrientationLock => "allow-orientation-lock",
            Self::PointerLock => "allow-pointer-lock",
            Self::Popups => "allow-popups",
            Self::PopupsToEscapeSandbox => "allow-popups-to-escape-sandbox",
            Self::Presentation => "allow-presentation",
            Self::SameOrigin => "allow-same-origin",
            Self::Scripts => "allow-scripts",
            Self::TopNavigation => "allow-top-navigation",
            Self::TopNavigationByUserActivation => "allow-top-navigation-by-user-activation",
            Self::TopNavigationToCustomProtocols => "allow-top-navigation-to-custom-protocols",
        }
    }
}

/// Policies of trusted types that scripts may make (Trusted Types, section 4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrustedTypes<'a> {
    /// The policy of this name, of letters, digits and `-#=_/@.%`.
    Policy(&'a str),
    /// `*`: policies of every name.
    Any,
    /// `'allow-duplicates'`: several policies of one name.
    AllowDuplicates,
}

impl TrustedTypes<'_> {
    /// The word of the policy, unless it could not stand there.
    pub(super) fn word(&self) -> Option<&str> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-#=_/@.%".contains(&byte);
        match self {
            Self::Any => Some("*"),
            Self::AllowDuplicates => Some("'allow-duplicates'"),
            Self::Policy(name) => (!name.is_empty() && name.bytes().all(plain)).then_some(name),
        }
    }
}
