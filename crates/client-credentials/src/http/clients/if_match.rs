//! `If-Match` (RFC 9110 §13.1.1), as far as versions of clients are concerned.

use actix_web::HttpRequest;
use actix_web::http::header::IF_MATCH;

use crate::http::query::ManagementRequestDefect;

/// The versions in `If-Match`, as `ETag` spells them. Tags that are weak, or that we never gave out, match nothing and are
/// left out. `None`: there is no such header, or it is `*`.
///
/// # Errors
/// [`ManagementRequestDefect::IfMatch`] if it is no list of entity tags.
pub(super) fn versions(request: &HttpRequest) -> Result<Option<Vec<u64>>, ManagementRequestDefect> {
    let lines: Vec<_> = request.headers().get_all(IF_MATCH).map(|line| line.to_str()).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    // Several lines are one list (RFC 9110 §5.3).
    let lines = lines.into_iter().collect::<Result<Vec<_>, _>>();
    let list = lines.map_err(|_| ManagementRequestDefect::IfMatch)?.join(",");
    if list.trim() == "*" {
        return Ok(None);
    }
    let tags = tags(&list).filter(|tags| !tags.is_empty()).ok_or(ManagementRequestDefect::IfMatch)?;
    Ok(Some(tags.into_iter().filter_map(version).collect()))
}

/// The entity tags of a list (RFC 9110 §8.8.3), of which elements may be empty (§5.6.1). `None` if it is none.
fn tags(list: &str) -> Option<Vec<&str>> {
    let mut tags = Vec::new();
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(tags);
        }
        let opaque = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (_, behind) = opaque.split_once('"')?;
        let (tag, behind) = rest.split_at_checked(rest.len().checked_sub(behind.len())?)?;
        rest = behind.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
        tags.push(tag);
    }
}

/// Tags are compared byte for byte: `"01"` is not version 1.
fn version(tag: &str) -> Option<u64> {
    let text = tag.strip_prefix('"')?.strip_suffix('"')?;
    text.parse().ok().filter(|version: &u64| version.to_string() == text)
}
