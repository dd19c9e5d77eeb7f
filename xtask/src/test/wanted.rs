use crate::command::Failure;

/// The options of the command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    pub(super) full: bool,
    pub(super) browser: bool,
    pub(super) package: Option<&'a str>,
    pub(super) filter: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    pub(super) fn read(args: &'a [String]) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            match arg {
                "--full" => wanted.full = true,
                "--browser" => wanted.browser = true,
                "--package" => match args.next() {
                    Some(name) if wanted.package.is_none() => wanted.package = Some(name),
                    _ => return Err(Failure::new("test: --package wants one name")),
                },
                flag if flag.starts_with('-') => {
                    return Err(Failure::new(format!(
                        "test: there is no option {flag}; see `cargo xtask help`"
                    )));
                }
                text if wanted.filter.is_none() => wanted.filter = Some(text),
                more => {
                    return Err(Failure::new(format!("test: one filter, not also {more:?}")));
                }
            }
        }
        Ok(wanted)
    }
}
