//! Dates as a crud-service writes them: ISO 8601 with milliseconds and `Z` (contract §7.3).

use common::Timestamp;

const DAY: i64 = 86_400_000;

/// Reads `2026-11-21T19:12:04.883Z`; `None` if it is anything else.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let shape = b"0000-00-00T00:00:00.000Z";
    let fits = bytes.len() == shape.len()
        && bytes
            .iter()
            .zip(shape)
            .all(|(byte, like)| if *like == b'0' { byte.is_ascii_digit() } else { byte == like });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, millis) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    let of_day = hour
        .checked_mul(60)?
        .checked_add(minute)?
        .checked_mul(60)?
        .checked_add(second)?
        .checked_mul(1000)?
        .checked_add(millis)?;
    let total = days(year, month, day)?.checked_mul(DAY)?.checked_add(of_day)?;
    in_range.then(|| Timestamp::from_unix_millis(total))
}

/// Writes such a date; `None` for one before 1970 or after 9999: nobody logged in then.
pub(crate) fn format(date: Timestamp) -> Option<String> {
    let (day, of_day) = (date.unix_millis().div_euclid(DAY), date.unix_millis().rem_euclid(DAY));
    // The last year whose first day is not later, then the last month.
    let mut year = day.checked_div(366)?.checked_add(1970)?.max(0);
    while year < 9999 && days(year.checked_add(1)?, 1, 1)? <= day {
        year = year.checked_add(1)?;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1).is_some_and(|first| first <= day))?;
    let of_month = day.checked_sub(days(year, month, 1)?)?.checked_add(1)?;
    let part = |unit: i64, of: i64| of_day.div_euclid(unit).rem_euclid(of);
    let (hour, minute, second, millis) =
        (part(3_600_000, 24), part(60_000, 60), part(1000, 60), part(1, 1000));
    let text = format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z");
    (parse(&text) == Some(date)).then_some(text)
}

/// Days since the epoch of a date of the Gregorian calendar. Years begin in March, so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let month = if month <= 2 { month.checked_add(9)? } else { month.checked_sub(3)? };
    let before = month.checked_mul(153)?.checked_add(2)?.checked_div(5)?;
    let leap = year.div_euclid(4).checked_sub(year.div_euclid(100))?.checked_add(year.div_euclid(400))?;
    year.checked_mul(365)?.checked_add(leap)?.checked_add(before)?.checked_add(day)?.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_7_3_dates() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2000-02-29T00:00:00.000Z", 951_782_400_000),
            ("2026-11-21T19:12:04.883Z", 1_795_288_324_883),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!(parse(text), Some(Timestamp::from_unix_millis(millis)), "{text}");
            let written = format(Timestamp::from_unix_millis(millis));
            assert_eq!(written.as_deref(), (millis >= 0).then_some(text), "{text}");
        }
        for text in
            ["", "2026-11-21", "2026-11-21T19:12:04Z", "2026-13-21T19:12:04.883Z", "2026-11-21T19:12:04.883+"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
