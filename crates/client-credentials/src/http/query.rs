//! The query of a management request. A parameter that the endpoint does not know is refused: a misspelled condition must
//! not be answered with everything.

use actix_web::HttpRequest;
use common::Timestamp;
use credentials::form::{Form, FormDefect};
use credentials::secret::{PagedList, Pepper};

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Why a request of an operator cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManagementRequestDefect {
    #[error("the query cannot be read: {0}")]
    Query(#[from] FormDefect),
    /// With those that the path knows.
    #[error("the query has a parameter that this path does not know")]
    UnknownParameter(&'static [&'static str]),
    #[error("the query parameter {0} is empty")]
    Empty(&'static str),
    #[error("{name} has no such value")]
    Value {
        name: &'static str,
        /// What would do, after "must be".
        allowed: &'static str,
    },
    /// With the one that the path knows.
    #[error("the body has a member that this path does not know")]
    UnknownMember(&'static str),
    #[error("limit is not a number from 1 to {MAX_LIMIT}")]
    Limit,
    #[error("after is not the next of a page")]
    After,
    #[error("If-Match is no list of entity tags")]
    IfMatch,
}

/// A query, of which only the names are checked, and that none of them is without a value.
#[derive(Debug)]
pub(super) struct Query(Form);

impl Query {
    /// The query of a request to a path that knows these parameters. A name that ends in a dot stands for all names that
    /// begin with it. An empty value is refused: it is a variable of a script that was never set, and must not be
    /// answered with everything either.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Query`], [`ManagementRequestDefect::UnknownParameter`] or
    /// [`ManagementRequestDefect::Empty`].
    pub(super) fn read(
        request: &HttpRequest,
        known: &'static [&'static str],
    ) -> Result<Self, ManagementRequestDefect> {
        let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes())?;
        for name in form.each_name() {
            let parameter = known.iter().find(|known| match name.strip_prefix(**known) {
                Some(rest) => rest.is_empty() != known.ends_with('.'),
                None => false,
            });
            let parameter = parameter.ok_or(ManagementRequestDefect::UnknownParameter(known))?;
            if form.get(name).is_none() {
                return Err(ManagementRequestDefect::Empty(parameter));
            }
        }
        Ok(Self(form))
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    /// What `read` makes of the parameter, if it is there. `allowed` says what it may be, after "must be".
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Value`] if `read` makes nothing of it.
    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        allowed: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ManagementRequestDefect> {
        let read = |text| read(text).ok_or(ManagementRequestDefect::Value { name, allowed });
        self.get(name).map(read).transpose()
    }

    /// The rest of the name, and the value, of each parameter whose name begins with `prefix`.
    pub(super) fn each_below(&self, prefix: &str) -> Vec<(String, String)> {
        let below = self.0.each_name().filter_map(|name| Some((name.strip_prefix(prefix)?, self.get(name)?)));
        below.map(|(rest, value)| (rest.to_owned(), value.to_owned())).collect()
    }

    /// `true` or `false`; absent, `false`.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Value`] if it is neither.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, ManagementRequestDefect> {
        Ok(self.parsed(name, "true or false", |text| text.parse().ok())?.unwrap_or(false))
    }

    /// A moment in Unix milliseconds, as all times of this API.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::Value`] if it is no number.
    pub(super) fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, ManagementRequestDefect> {
        let moment = |text: &str| text.parse().ok().map(Timestamp::from_unix_millis);
        self.parsed(name, "a whole number: Unix time in milliseconds", moment)
    }

    /// The entry that a page comes after, from a place that we made; `read` makes of its id what it names.
    ///
    /// # Errors
    /// [`ManagementRequestDefect::After`] if we did not make it, or not for this list.
    pub(super) fn after<T>(
        &self,
        pepper: &Pepper,
        list: PagedList,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ManagementRequestDefect> {
        let Some(place) = self.get("after") else { return Ok(None) };
        let entry = pepper.after_of_page(list, place).and_then(read);
        entry.map(Some).ok_or(ManagementRequestDefect::After)
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
