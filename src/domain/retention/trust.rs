//! Whether the clock is believed: a clock that jumped must not make retention delete what is young.
//!
//! Each reading holds three times: this process's, the database's, and how much time passed here by a clock that cannot
//! be set. Where they do not agree, or the database's is far from what was read last, nothing is deleted until so many
//! readings in a row agreed.

use crate::base::clock::Millis;
use crate::base::units;

/// More than this between two clocks is a doubt.
pub const APART: i64 = 3_600_000;
/// A last reading that is older is a doubt: either nobody looked for so long, or the clock jumped.
pub const SILENCE: i64 = 36 * 3_600_000;
/// So many agreeing readings end a doubt.
pub const AGREEING: i64 = 3;

/// What the clocks say now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub wall: Millis,
    pub database: Millis,
    /// Since this process's last reading, by the clock that cannot be set; and what the database said then.
    pub since: Option<(i64, Millis)>,
}

/// What is remembered from one reading to the next, whoever takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belief {
    /// 0 before the first reading.
    pub read_at: Millis,
    pub doubt: Option<String>,
    pub doubted_at: Option<Millis>,
    pub agreeing: i64,
}

impl Belief {
    /// What is believed after a reading.
    #[must_use]
    pub fn after(&self, reading: &Reading) -> Self {
        let next = Self { read_at: reading.database, ..self.clone() };
        match (why_doubt(self.read_at, reading), &self.doubt) {
            (Some(why), _) => Self { doubt: Some(why), doubted_at: Some(reading.database), agreeing: 0, ..next },
            (None, Some(_)) if self.agreeing + 1 < AGREEING => Self { agreeing: self.agreeing + 1, ..next },
            (None, _) => Self { doubt: None, doubted_at: None, agreeing: 0, ..next },
        }
    }
}

fn why_doubt(last: Millis, r: &Reading) -> Option<String> {
    let apart = |millis: i64| units::duration(millis.abs());
    if (r.wall.0 - r.database.0).abs() > APART {
        return Some(format!("this server's clock and the database's are {} apart", apart(r.wall.0 - r.database.0)));
    }
    if let Some((passed, before)) = r.since
        && (r.database.0 - before.0 - passed).abs() > APART
    {
        return Some(format!("the clock jumped by {} since it was last read", apart(r.database.0 - before.0 - passed)));
    }
    if last.0 != 0 && r.database.0 - last.0 > SILENCE {
        return Some(format!("the clock was last read {} ago", apart(r.database.0 - last.0)));
    }
    if r.database.0 - last.0 < -APART {
        return Some(format!("the clock was set back by {}", apart(r.database.0 - last.0)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Millis = Millis(1_795_230_000_000);
    const MINUTES: i64 = 60_000;

    fn at(now: Millis) -> Reading {
        Reading { wall: now, database: now, since: None }
    }

    #[test]
    fn a_clock_that_goes_on_is_believed_and_so_is_the_first_reading() {
        let first = Belief::default().after(&at(T));
        assert_eq!((first.doubt.as_deref(), first.read_at), (None, T));
        let passed = Reading { since: Some((10 * MINUTES, T)), ..at(T.plus(10 * MINUTES)) };
        assert_eq!(first.after(&passed).doubt, None);
    }

    #[test]
    fn every_kind_of_jump_is_doubted_until_three_readings_agree() {
        let before = Belief::default().after(&at(T));
        let hour = 60 * MINUTES;
        let jumps = [
            Reading { database: T.plus(2 * hour), ..at(T) },
            Reading { since: Some((10 * MINUTES, T)), ..at(T.plus(2 * hour)) },
            at(T.plus(37 * hour)),
            at(T.plus(365 * 24 * hour)),
            at(T.plus(-2 * hour)),
        ];
        for jump in jumps {
            let mut belief = before.after(&jump);
            assert!(belief.doubt.is_some(), "{jump:?}");
            for agreeing in 1..=3 {
                belief = belief.after(&at(jump.database.plus(agreeing * 10 * MINUTES)));
                assert_eq!(belief.doubt.is_some(), agreeing < 3, "{jump:?}: {belief:?}");
            }
        }
    }

    #[test]
    fn a_new_jump_begins_the_count_anew() {
        let doubted = Belief::default().after(&at(T)).after(&at(T.plus(40 * 60 * MINUTES)));
        let twice = doubted.after(&at(T.plus(2410 * MINUTES))).after(&at(T.plus(2420 * MINUTES)));
        assert_eq!(twice.agreeing, 2);
        let again = twice.after(&at(T));
        assert_eq!((again.agreeing, again.doubt.is_some()), (0, true));
    }
}
