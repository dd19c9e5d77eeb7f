/// A day of the week, with which a [week of the calendar](crate::Calendar::week) begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "a day's name says it all")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// The kind of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::limit) enum Unit {
    Hour,
    Day,
    Week(Weekday),
    Month,
}
