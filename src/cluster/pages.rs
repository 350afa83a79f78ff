//! A list of the Kubernetes API: its items one by one, page by page, and whether there is more of it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

use super::list::{Items, too_many};
use crate::model::text::percent_encoded;

/// The longest page that is read, in bytes: who asks for pages is a process that is allowed 48 MiB, or 64.
pub(crate) const LONGEST_PAGE: usize = 4 << 20;
/// Items of a page, as they are asked for first.
const PAGE: usize = 100;
/// No page has more, not even of who gives the whole list in one: in an answer that is read so many would have 200 bytes each.
const MOST_OF_PAGE: usize = 20_000;
/// No list has more items: it is more than Kubernetes has pods.
pub(crate) const MOST_ITEMS: usize = 100_000;

/// Where one is in a list that comes in pages. Whoever asks for them has a deadline of his own.
#[derive(Debug)]
pub(crate) struct Pages {
    list: String,
    limit: usize,
    /// What is said of where the next page begins.
    further: String,
    taken: usize,
}

/// Why a page is the last.
#[derive(Debug, Error)]
pub(crate) enum PageError {
    /// It is none.
    #[error(transparent)]
    NotUnderstood(serde_json::Error),
    /// There is no end to them.
    #[error("its list has {}", too_many(MOST_ITEMS))]
    TooMany,
}

impl Pages {
    /// Before the first page of the list that has this path.
    pub(crate) fn of(list: String) -> Self {
        Self {
            list,
            limit: PAGE,
            further: String::new(),
            taken: 0,
        }
    }

    /// The path of the next page.
    pub(crate) fn path(&self) -> String {
        let Self {
            list, limit, further, ..
        } = self;
        format!("{list}?limit={limit}{further}")
    }

    /// That page is longer than is read: from there on smaller ones are asked for. False where none is smaller.
    pub(crate) fn in_smaller(&mut self) -> bool {
        let is_smaller = self.limit > 1;
        self.limit = (self.limit / 8).max(1);
        is_smaller
    }

    /// Takes the items of that page. True where there is one behind it.
    pub(crate) fn take<'de, T: Deserialize<'de>>(
        &mut self,
        page: &'de [u8],
        take: &mut dyn FnMut(T),
    ) -> Result<bool, PageError> {
        let taken = &mut self.taken;
        let next = items(page, MOST_OF_PAGE, &mut |item: T| {
            *taken += 1;
            take(item);
        });
        let Some(next) = next.map_err(PageError::NotUnderstood)? else {
            return Ok(false);
        };
        if self.taken > MOST_ITEMS {
            return Err(PageError::TooMany);
        }
        self.further = format!("&continue={}", in_query(&next));
        // What was large is past.
        if page.len() < LONGEST_PAGE / 8 {
            self.limit = (self.limit * 2).min(PAGE);
        }
        Ok(true)
    }
}

/// A value as it can stand in the query of a URL.
fn in_query(text: &str) -> String {
    percent_encoded(text, |byte| matches!(byte, b'-' | b'_' | b'.' | b'~'))
}

/// Of a list's metadata what is used.
#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(rename = "continue")]
    further: Option<String>,
}

/// Takes the items of a list, whatever its kind, of which there may be `most`. Gives by what the next page is asked for; `None` where there is none.
pub(crate) fn items<'de, T: Deserialize<'de>>(
    body: &'de [u8],
    most: usize,
    take: &mut dyn FnMut(T),
) -> serde_json::Result<Option<String>> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let further = json.deserialize_map(List(Items { most, take }))?;
    json.end()?;
    Ok(further.filter(|further| !further.is_empty()))
}

struct List<'a, T>(Items<'a, T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<'_, T> {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with items")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let Items { most, take } = self.0;
        let mut further = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "items" => map.next_value_seed(Items { most, take })?,
                "metadata" => further = map.next_value::<Option<Meta>>()?.unwrap_or_default().further,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(further)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_query_may_have_any_letters() {
        assert_eq!(in_query("eyJ2Ijo-_.~09"), "eyJ2Ijo-_.~09");
        assert_eq!(in_query("a+/=&#\n ü"), "a%2B%2F%3D%26%23%0A%20%C3%BC");
    }

    fn page(items: usize, next: &str) -> String {
        let items = vec!["{}"; items].join(",");
        format!(r#"{{"metadata": {{"continue": "{next}"}}, "items": [{items}]}}"#)
    }

    #[test]
    fn pages_are_asked_for_one_behind_the_other() {
        let mut pages = Pages::of("/api/v1/pods".to_owned());
        let mut taken = 0;
        let mut take = |_: IgnoredAny| taken += 1;
        assert_eq!(pages.path(), "/api/v1/pods?limit=100");
        assert!(pages.take(page(100, "a=&b").as_bytes(), &mut take).unwrap());
        assert_eq!(pages.path(), "/api/v1/pods?limit=100&continue=a%3D%26b");
        assert!(!pages.take(page(7, "").as_bytes(), &mut take).unwrap());
        assert_eq!(taken, 107);
    }

    #[test]
    fn what_is_too_long_comes_in_smaller_pages_until_it_is_past() {
        let mut pages = Pages::of("/l".to_owned());
        let take = &mut |_: IgnoredAny| {};
        assert!(pages.in_smaller());
        assert_eq!(pages.path(), "/l?limit=12");
        let long = page(12, "x") + &" ".repeat(LONGEST_PAGE / 8);
        assert!(pages.take(long.as_bytes(), take).unwrap());
        assert_eq!(pages.path(), "/l?limit=12&continue=x");
        assert!(pages.in_smaller());
        assert!(!pages.in_smaller(), "there is no page of less than one");
        assert_eq!(pages.path(), "/l?limit=1&continue=x");
        for limit in [2, 4, 8, 16, 32, 64, 100, 100] {
            assert!(pages.take(page(1, "y").as_bytes(), take).unwrap());
            assert_eq!(pages.path(), format!("/l?limit={limit}&continue=y"));
        }
    }

    #[test]
    fn pages_that_are_none_or_have_no_end_are_the_last() {
        let mut pages = Pages::of("/l".to_owned());
        let take = &mut |_: IgnoredAny| {};
        let said = pages.take(b"<html>", take).unwrap_err().to_string();
        assert!(said.starts_with("expected value"), "{said}");
        let full = page(MOST_OF_PAGE, "on");
        let ends = (0..10).find_map(|_| pages.take(full.as_bytes(), take).err());
        assert_eq!(
            ends.unwrap().to_string(),
            "its list has more than 100000 items, which nothing has"
        );
        let said = pages
            .take(page(MOST_OF_PAGE + 1, "").as_bytes(), take)
            .unwrap_err();
        assert!(said.to_string().starts_with("more than 20000 items"), "{said}");
    }
}
