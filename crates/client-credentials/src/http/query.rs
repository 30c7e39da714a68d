//! The query of a management request. A parameter that the endpoint does not know is refused: a misspelled condition must
//! not be answered with everything.

use actix_web::HttpRequest;
use common::Timestamp;
use credentials::form::{Form, FormDefect};

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Why a request of an operator cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManagementRequestDefect {
    #[error("the query cannot be read: {0}")]
    Query(#[from] FormDefect),
    #[error("the query has a parameter that this path does not know")]
    UnknownParameter,
    #[error("the query parameter {0} has no such value")]
    Parameter(&'static str),
    #[error("limit is not a number from 1 to {MAX_LIMIT}")]
    Limit,
    #[error("after is not the next of a page")]
    After,
    #[error("If-Match is not one version")]
    IfMatch,
}

/// A query, of which only the names are checked.
#[derive(Debug)]
pub(super) struct Query(Form);

impl Query {
    /// The query of a request to a path that knows these parameters. A name that ends in a dot stands for all names that
    /// begin with it.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Query`] or [`ManagementRequestDefect::UnknownParameter`].
    pub(super) fn read(request: &HttpRequest, known: &[&str]) -> Result<Self, ManagementRequestDefect> {
        let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes())?;
        let is_known = |name: &str| {
            known.iter().any(|known| name == *known || (known.ends_with('.') && name.starts_with(known)))
        };
        if form.each_name().all(is_known) {
            Ok(Self(form))
        } else {
            Err(ManagementRequestDefect::UnknownParameter)
        }
    }

    /// The value of a parameter; an empty one is absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    /// What `read` makes of the parameter, if it is there.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Parameter`] if `read` makes nothing of it.
    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ManagementRequestDefect> {
        self.get(name).map(|text| read(text).ok_or(ManagementRequestDefect::Parameter(name))).transpose()
    }

    /// The rest of the name, and the value, of the one parameter whose name begins with `prefix`.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Parameter`] if there are several, or the name ends there.
    pub(super) fn one_below(
        &self,
        prefix: &'static str,
    ) -> Result<Option<(String, String)>, ManagementRequestDefect> {
        let mut found = self.0.each_name().filter_map(|name| Some((name, name.strip_prefix(prefix)?)));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((name, rest)), None) if !rest.is_empty() => {
                Ok(Some((rest.to_owned(), self.get(name).unwrap_or_default().to_owned())))
            }
            _ => Err(ManagementRequestDefect::Parameter(prefix)),
        }
    }

    /// `true` or `false`; absent, `false`.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Parameter`] if it is neither.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, ManagementRequestDefect> {
        Ok(self.parsed(name, |text| text.parse().ok())?.unwrap_or(false))
    }

    /// A moment in Unix milliseconds, as all times of this API.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Parameter`] if it is no number.
    pub(super) fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, ManagementRequestDefect> {
        self.parsed(name, |text| text.parse().ok().map(Timestamp::from_unix_millis))
    }

    /// The size of a page.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Limit`].
    pub(super) fn limit(&self) -> Result<u32, ManagementRequestDefect> {
        let Some(text) = self.get("limit") else { return Ok(DEFAULT_LIMIT) };
        let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.ok_or(ManagementRequestDefect::Limit)
    }
}
