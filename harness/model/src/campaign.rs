//! A campaign: one suite measured in several sessions, spread over hours, so that a pool of them
//! says what another hour would show.
//!
//! Its plan is a pure function of a seed. When a session begins, the order of its cells, which CPUs
//! are whose, the size of the environment and the layout of executables are accidents. Each is
//! drawn anew for every session, so that they become part of the spread between sessions and favour
//! no arm by habit.

use serde::{Deserialize, Serialize};

use crate::plan::PADDING_BYTES_END;
use crate::record::CampaignSession;
use duet_stats::SplitMix64;

/// The name of the plan in a campaign's folder.
pub const FILE_NAME: &str = "campaign.json";

/// The version of [`FILE_NAME`]; raised when a reader of the old format would be wrong.
pub const SCHEMA: &str = "duet.campaign/2";

/// The most sessions of a campaign: one an hour for four days.
pub const SESSIONS_MAX: u32 = 99;

/// The longest campaign, in milliseconds: thirty days. More is a slip of the pen.
pub const OVER_MS_MAX: u64 = 30 * 86_400_000;

/// How many layouts there are to draw from: build caches may keep each that was linked.
pub const LAYOUTS: u32 = 64;

/// How far apart sessions begin where there is time for it, in milliseconds: the hour within which
/// a pool counts runs as one session, and a minute, since a run begins a little after it is due.
pub const APART_MS: u64 = 61 * 60_000;

/// The plan of a campaign: what is measured, and when. Written before the first session, and again
/// where more are planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// [`SCHEMA`].
    pub schema: String,
    /// The suite.
    pub suite: String,
    /// Only cells whose name contains this; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Blocks of a cell in a session, where they are others than the suite's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u32>,
    /// The folder of definitions, from the campaign's folder, so that a campaign can be published.
    /// Absent: the usual one; `outside`: one outside of the project, which `--bench` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bench: Option<String>,
    /// The folder of PostgreSQL, where one was named: `none`, from the campaign's folder, or
    /// `outside` of the project, where `--postgres` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<String>,
    /// Whether records keep the histograms of all windows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// The seed of all that is drawn.
    pub seed: u64,
    /// When the campaign began, in milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// The time over which sessions begin, in milliseconds.
    pub over_ms: u64,
    /// The sessions in the order they begin.
    pub sessions: Vec<PlannedSession>,
}

/// A session as it was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlannedSession {
    /// When it is to begin, in milliseconds since the campaign began.
    pub after_ms: u64,
    /// The seed of its run, and of which CPUs are whose.
    pub seed: u64,
    /// Bytes by which the environments of servers and programs are larger than the plan of a block
    /// says.
    pub padding_bytes: u32,
    /// The layout of executables, from 1 to [`LAYOUTS`].
    pub layout: u32,
}

/// Draws the sessions of a campaign: each begins at random in its share of the time, and
/// [`apart_ms`] or more after the one before.
#[must_use]
pub fn draw(seed: u64, sessions: u32, over_ms: u64) -> Vec<PlannedSession> {
    let apart_ms = apart_ms(sessions, over_ms);
    let mut earliest_ms = 0;
    let session = |index: u32| {
        let mut random = SplitMix64::derived(seed, "session", index);
        let bound = |of: u32| over_ms * u64::from(of) / u64::from(sessions);
        let (from, to) = (bound(index), bound(index + 1));
        let after_ms = (from + (random.unit() * (to - from) as f64) as u64).max(earliest_ms);
        earliest_ms = after_ms + apart_ms;
        PlannedSession {
            after_ms,
            // Of 32 bits: every reader of JSON keeps it.
            seed: u64::from(random.below(u32::MAX)),
            padding_bytes: random.below(PADDING_BYTES_END),
            layout: 1 + random.below(LAYOUTS),
        }
    };
    (0..sessions).map(session).collect()
}

/// How far apart sessions begin at least, in milliseconds: [`APART_MS`] where there is time for
/// that, else 0.
#[must_use]
pub fn apart_ms(sessions: u32, over_ms: u64) -> u64 {
    if over_ms >= u64::from(sessions) * APART_MS { APART_MS } else { 0 }
}

impl Campaign {
    /// The name of the folder of a session, which counts from 0.
    #[must_use]
    pub fn folder(index: usize) -> String {
        format!("session-{:02}", index + 1)
    }

    /// When a session is to begin, in milliseconds since 1970.
    #[must_use]
    pub fn due_unix_ms(&self, index: usize) -> u64 {
        self.started_unix_ms.saturating_add(self.sessions[index].after_ms)
    }

    /// How far apart its sessions begin at least, in milliseconds.
    #[must_use]
    pub fn apart_ms(&self) -> u64 {
        apart_ms(self.sessions.len() as u32, self.over_ms)
    }

    /// When the time for sessions is over, in milliseconds since 1970.
    #[must_use]
    pub fn end_unix_ms(&self) -> u64 {
        self.started_unix_ms.saturating_add(self.over_ms)
    }

    /// Plans more sessions, which begin at random over `over_ms` from now on. What they draw
    /// follows from the campaign's seed and from how many were planned before.
    pub fn extend(&mut self, sessions: u32, over_ms: u64, now_unix_ms: u64) {
        let elapsed_ms = now_unix_ms.saturating_sub(self.started_unix_ms);
        let mut random = SplitMix64::derived(self.seed, "more", self.sessions.len() as u32);
        let more = draw(u64::from(random.below(u32::MAX)), sessions, over_ms);
        let later = |session: PlannedSession| PlannedSession {
            after_ms: elapsed_ms.saturating_add(session.after_ms),
            ..session
        };
        self.sessions.extend(more.into_iter().map(later));
        self.over_ms = elapsed_ms.saturating_add(over_ms);
    }

    /// What the record of a session says of it.
    #[must_use]
    pub fn session(&self, index: usize) -> CampaignSession {
        CampaignSession {
            session: index as u32 + 1,
            sessions: self.sessions.len() as u32,
            campaign_seed: self.seed,
            due_unix_ms: self.due_unix_ms(index),
            padding_bytes: self.sessions[index].padding_bytes,
            layout: Some(self.sessions[index].layout),
        }
    }
}

impl PlannedSession {
    /// Puts cores into the order in which servers and generator take them: servers from the front,
    /// the generator from the back.
    pub fn shuffle_cores(&self, cores: &mut [usize]) {
        SplitMix64::derived(self.seed, "cores", 0).shuffle(cores);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn each_session_begins_in_its_share_of_the_time() {
        for seed in 0..200 {
            let sessions = draw(seed, 6, DAY_MS);
            for (share, session) in (0..).zip(&sessions) {
                let from = share * DAY_MS / 6;
                let within = from..from + DAY_MS / 6;
                assert!(within.contains(&session.after_ms), "{seed}: {share}: {session:?}");
                assert!(session.padding_bytes < PADDING_BYTES_END);
                assert!((1..=LAYOUTS).contains(&session.layout));
            }
        }
        // A pool counts each of them, where there is time for that.
        for seed in 0..200 {
            let sessions = draw(seed, 20, DAY_MS);
            assert!(sessions.windows(2).all(|two| two[1].after_ms >= two[0].after_ms + APART_MS));
            assert!(sessions.iter().all(|session| session.after_ms < DAY_MS));
        }
        // Shares of no whole milliseconds, and hardly any time.
        assert!(draw(1, 7, 100).is_sorted_by_key(|session| session.after_ms));
        assert_eq!(draw(1, 3, 0).iter().map(|s| s.after_ms).collect::<Vec<_>>(), [0, 0, 0]);
        assert!(draw(1, SESSIONS_MAX, OVER_MS_MAX).iter().all(|s| s.after_ms < OVER_MS_MAX));
    }

    #[test]
    fn more_sessions_begin_from_now_on() {
        let plan = |seed| Campaign {
            schema: SCHEMA.to_owned(),
            suite: "s".to_owned(),
            only: None,
            blocks: None,
            bench: None,
            postgres: None,
            full: false,
            seed,
            started_unix_ms: 1000,
            over_ms: DAY_MS,
            sessions: draw(seed, 3, DAY_MS),
        };
        for seed in 0..200 {
            let (before, mut after) = (plan(seed), plan(seed));
            after.extend(4, DAY_MS, 1000 + 2 * DAY_MS);
            assert_eq!(after.sessions[..3], before.sessions);
            assert_eq!((after.sessions.len(), after.over_ms), (7, 3 * DAY_MS));
            for (share, session) in (0..).zip(&after.sessions[3..]) {
                let from = 2 * DAY_MS + share * DAY_MS / 4;
                assert!((from..from + DAY_MS / 4).contains(&session.after_ms));
            }
            let mut seeds: Vec<u64> = after.sessions.iter().map(|session| session.seed).collect();
            seeds.sort_unstable();
            seeds.dedup();
            assert_eq!(seeds.len(), 7);
        }
    }

    #[test]
    fn what_is_drawn_varies_and_follows_the_seed() {
        assert_eq!(draw(7, 6, DAY_MS), draw(7, 6, DAY_MS));
        assert_ne!(draw(7, 6, DAY_MS), draw(8, 6, DAY_MS));
        // Over many sessions each of two cores is as often the servers' as the generator's, and
        // starts are spread over their share: 5,000 of 10,000 ± 5 standard deviations (250).
        let sessions: Vec<_> = (0..10_000).map(|seed| draw(seed, 1, DAY_MS)[0]).collect();
        let swapped = |session: &&PlannedSession| {
            let mut cores = [0, 1];
            session.shuffle_cores(&mut cores);
            cores == [1, 0]
        };
        let late = |session: &&PlannedSession| session.after_ms >= DAY_MS / 2;
        for n in [sessions.iter().filter(swapped).count(), sessions.iter().filter(late).count()] {
            assert!((4_750..5_250).contains(&n), "{n}");
        }
        let seeds: std::collections::BTreeSet<u64> = sessions.iter().map(|s| s.seed).collect();
        assert!(seeds.len() > 9_990, "{}", seeds.len());
    }
}
