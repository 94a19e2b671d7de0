//! File times as the archive keeps them: ticks of 100 ns since 1601-01-01 00:00 UTC, what NTFS and
//! zip's extra field 0x000a count.

use std::time::{Duration, SystemTime};

const PER_SECOND: i128 = 10_000_000;
/// Seconds from 1601-01-01 to 1970-01-01.
const UNIX_EPOCH_S: i128 = 11_644_473_600;

/// A moment in 100 ns ticks since 1601-01-01 00:00 UTC. Earlier moments become 0, later ones
/// than a signed 64-bit count holds (the year 30828) become that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ticks(pub u64);

/// A moment on the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
}

impl Ticks {
    /// From seconds and nanoseconds since 1970, rounded down to 100 ns.
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        let ticks =
            (i128::from(seconds) + UNIX_EPOCH_S) * PER_SECOND + i128::from(nanoseconds) / 100;
        Self(u64::try_from(ticks.clamp(0, i128::from(i64::MAX))).unwrap_or(0))
    }

    /// Seconds (rounded down) and nanoseconds since 1970.
    pub fn to_unix(self) -> (i64, u32) {
        let ticks = i128::from(self.0) - UNIX_EPOCH_S * PER_SECOND;
        let nanoseconds = ticks.rem_euclid(PER_SECOND) * 100;
        (
            i64::try_from(ticks.div_euclid(PER_SECOND)).unwrap_or(i64::MAX),
            u32::try_from(nanoseconds).unwrap_or(0),
        )
    }

    /// The date in the Gregorian calendar and the time of day (the algorithm is Howard Hinnant's
    /// `civil_from_days`).
    pub(super) fn civil(self) -> Civil {
        let seconds = self.to_unix().0;
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let small = |value: i64| u32::try_from(value).unwrap_or(0);
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: small(month),
            day: small(day_of_year - (153 * shifted_month + 2) / 5 + 1),
            hour: small(of_day / 3_600),
            minute: small(of_day / 60 % 60),
            second: small(of_day % 60),
        }
    }

    /// MS-DOS time and date, in UTC and rounded down to two seconds, as zip's headers have them;
    /// moments outside 1980 to 2107 become the nearest that fits.
    pub(super) fn dos(self) -> (u16, u16) {
        let at = self.civil();
        if at.year < 1980 {
            return (0, (1 << 5) | 1);
        }
        if at.year > 2107 {
            return ((23 << 11) | (59 << 5) | 0x1d, (127 << 9) | (12 << 5) | 0x1f);
        }
        let small = |value: u32| u16::try_from(value).unwrap_or(0);
        let years = u16::try_from(at.year - 1980).unwrap_or(0);
        (
            (small(at.hour) << 11) | (small(at.minute) << 5) | small(at.second / 2),
            (years << 9) | (small(at.month) << 5) | small(at.day),
        )
    }

    /// The moment that an MS-DOS time and date mean if they are in UTC; `None` if they mean none.
    pub(super) fn from_dos(time: u16, date: u16) -> Option<Self> {
        let year = 1980 + i64::from(date >> 9);
        let (month, day) = (i64::from(date >> 5 & 15), i64::from(date & 31));
        let (hour, minute) = (i64::from(time >> 11), i64::from(time >> 5 & 63));
        let second = i64::from(time & 31) * 2;
        if !(1..=12).contains(&month) || day < 1 || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // Hinnant's `days_from_civil`; a day beyond its month's end runs into the next.
        let y = if month <= 2 { year - 1 } else { year };
        let year_of_era = y.rem_euclid(400);
        let shifted_month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
        let days = y.div_euclid(400) * 146_097 + year_of_era * 365 + year_of_era / 4
            - year_of_era / 100
            + day_of_year
            - 719_468;
        Some(Self::from_unix(days * 86_400 + hour * 3_600 + minute * 60 + second, 0))
    }
}

impl From<SystemTime> for Ticks {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Self::from_unix(
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                since.subsec_nanos(),
            ),
            Err(before) => {
                let before = before.duration() + Duration::from_nanos(99);
                let ticks = i64::try_from(before.as_nanos() / 100).unwrap_or(i64::MAX);
                Self(Self::from_unix(0, 0).0.saturating_sub(ticks.unsigned_abs()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_1601_in_100_ns() {
        assert_eq!(Ticks::from_unix(0, 0), Ticks(116_444_736_000_000_000));
        assert_eq!(Ticks::from_unix(0, 199), Ticks(116_444_736_000_000_001));
        assert_eq!(Ticks::from_unix(-1, 999_999_900), Ticks(116_444_735_999_999_999));
        assert_eq!(Ticks(116_444_735_999_999_999).to_unix(), (-1, 999_999_900));
        assert_eq!(Ticks::from_unix(i64::MIN, 0), Ticks(0));
        assert_eq!(Ticks::from_unix(i64::MAX, 0), Ticks(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn knows_the_calendar() {
        let at = Ticks::from_unix(951_827_696, 0).civil();
        let expected = Civil { year: 2000, month: 2, day: 29, hour: 12, minute: 34, second: 56 };
        assert_eq!(at, expected);
        let dos = Ticks::from_unix(951_827_696, 0).dos();
        assert_eq!(dos, ((12 << 11) | (34 << 5) | 0x1c, (20 << 9) | (2 << 5) | 0x1d));
        assert_eq!(Ticks::from_dos(dos.0, dos.1), Some(Ticks::from_unix(951_827_696, 0)));
        assert_eq!(Ticks(0).dos(), (0, 33));
        assert_eq!(Ticks::from_dos(0, 0), None);
    }

    #[test]
    fn agrees_with_the_system_clock() {
        let later = SystemTime::UNIX_EPOCH + Duration::new(5, 700);
        assert_eq!(Ticks::from(later), Ticks::from_unix(5, 700));
        let earlier = SystemTime::UNIX_EPOCH - Duration::from_nanos(150);
        assert_eq!(Ticks::from(earlier), Ticks::from_unix(-1, 999_999_850));
    }
}
