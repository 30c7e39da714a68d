//! Why a request target is not matched against any rule.

/// A reason to refuse a path: two servers could read it as two different resources (conformance §3.0 rule 1).
/// The display text names the reason for a log and never repeats the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathRefusal {
    /// Empty, `*`, an absolute URI, or anything else that does not start with `/`.
    #[error("the path does not start with a slash")]
    NoLeadingSlash,
    #[error("the path is longer than 8192 bytes")]
    TooLong,
    /// Raw, or escaped as `%00` … `%1F`, `%7F`.
    #[error("the path holds a control byte")]
    ControlByte,
    #[error("the path holds a raw space")]
    RawSpace,
    /// A byte above 127 that is not percent-encoded.
    #[error("the path holds a raw byte that is not ASCII")]
    NonAscii,
    /// Escapes that do not decode to UTF-8, such as the overlong `%C0%AE`.
    #[error("the escapes of the path are not UTF-8")]
    NotUtf8,
    /// `%` without two hexadecimal digits.
    #[error("the path holds a malformed percent escape")]
    BadEscape,
    /// `%25`: a second decoding would see another path.
    #[error("the path is percent-encoded twice")]
    DoubleEncoding,
    #[error("the path holds a backslash")]
    Backslash,
    /// `%2F` or `%5C`.
    #[error("the path holds an encoded slash or backslash")]
    EncodedSlash,
    /// `%2E`.
    #[error("the path holds an encoded dot")]
    EncodedDot,
    /// `#`, `%23`, `%3F`: where the path ends would depend on the reader.
    #[error("the path holds a fragment sign or an encoded question mark")]
    HiddenEnd,
    /// `;` or `%3B`: servlet containers cut what follows.
    #[error("the path holds a semicolon")]
    Semicolon,
    /// A segment `.` or `..`.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// `//`, where slashes are not merged.
    #[error("the path holds repeated slashes")]
    RepeatedSlashes,
    /// `%20` at the start or end of a segment, which some servers trim.
    #[error("a segment of the path starts or ends with an encoded space")]
    SpaceAtSegmentEdge,
}
