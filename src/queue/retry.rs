//! How often something is tried again, by the class of the error: a count alone would retry what no retry mends.

use crate::base::error::Class;
use std::time::Duration;

/// Nothing is tried again later than this after the first attempt began: the next slot of a schedule is nearer.
pub(super) const HORIZON: Duration = Duration::from_secs(24 * 3600);

/// The pause before the next try after `tries` tries ended in `class` (this one counted), or `None` to give up.
/// `dice` from -1 to 1 spreads the tries, so that what failed together does not come back together.
pub(super) fn pause(class: Class, tries: u32, dice: f64) -> Option<Duration> {
    match class {
        // A connection dropped, a server restarted: 30 s doubled each time up to an hour, six tries.
        Class::Transient if tries < 6 => {
            let plain = 30.0 * f64::from(1u32 << tries.saturating_sub(1).min(16));
            Some(Duration::from_secs_f64((plain * (1.0 + 0.2 * dice)).min(3600.0)))
        }
        // Space or memory ran out: somebody may be making room; three tries.
        Class::Resource if tries < 3 => Some(Duration::from_secs(15 * 60)),
        // The rest fails the same way again, until a person has mended it.
        _ => None,
    }
}

/// How many tries an error of this class gets; `None` for one that is never tried again.
pub(super) fn limit(class: Class) -> Option<u32> {
    match class {
        Class::Transient => Some(6),
        Class::Resource => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        use Class as C;
        let none = [
            C::Invalid,
            C::Unauthenticated,
            C::NotFound,
            C::Forbidden,
            C::Conflict,
            C::Permanent,
            C::Damaged,
            C::Cancelled,
            C::Fenced,
            C::Internal,
        ];
        for class in none {
            assert_eq!((pause(class, 1, 0.0), limit(class)), (None, None), "{class:?}");
        }
        let seconds = |class, dice| (1..=7).map_while(|n| pause(class, n, dice)).map(|d| d.as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(C::Transient, 0.0), [30, 60, 120, 240, 480]);
        assert_eq!(seconds(C::Transient, 1.0), [36, 72, 144, 288, 576]);
        assert_eq!(seconds(C::Transient, -1.0), [24, 48, 96, 192, 384]);
        assert_eq!(seconds(C::Resource, 0.5), [900, 900]);
        for class in [C::Transient, C::Resource] {
            let tries = limit(class).unwrap();
            assert!(pause(class, tries - 1, 0.0).is_some() && pause(class, tries, 0.0).is_none(), "{class:?}");
        }
    }
}
