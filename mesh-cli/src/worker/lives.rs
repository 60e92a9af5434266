//! [`Lives`]: how often a worker may be started again. Pure: time is an argument.
//!
//! A life in which a worker has answered anything is a good one, however it ended. After
//! [`STARTS_MAX`] bad ones in a row within [`STARTS_WINDOW`] the next has to wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mesh_core::limits::{STARTS_MAX, STARTS_WINDOW};

/// The starts of one worker.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    bad: VecDeque<Instant>,
    last: String,
}

impl Lives {
    /// Whether it may be started now; else how long that has to wait.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let oldest = self.bad.front().filter(|_| self.bad.len() >= STARTS_MAX)?;
        let wait = STARTS_WINDOW.saturating_sub(now.saturating_duration_since(*oldest));
        Some(wait).filter(|wait| !wait.is_zero())
    }

    /// It was started.
    pub(crate) fn begun(&mut self, now: Instant) {
        if self.bad.len() >= STARTS_MAX {
            self.bad.pop_front();
        }
        self.bad.push_back(now);
    }

    /// It has ended, and why.
    pub(crate) fn ended(&mut self, has_answered: bool, why: &str) {
        if has_answered {
            self.bad.clear();
        }
        why.clone_into(&mut self.last);
    }

    /// Why it ended the last time.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_lives_without_an_answer_suspend_the_sixth() {
        let (mut lives, begin) = (Lives::default(), Instant::now());
        for second in 0..5 {
            let now = begin + Duration::from_secs(second);
            assert_eq!(lives.wait(now), None);
            lives.begun(now);
            lives.ended(false, "broken");
        }
        let now = begin + Duration::from_secs(6);
        assert_eq!(lives.wait(now), Some(Duration::from_secs(4)));
        assert_eq!(lives.last(), "broken");
        let now = begin + Duration::from_secs(10);
        assert_eq!(lives.wait(now), None);
        lives.begun(now);
        assert_eq!(lives.wait(now), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_worker_that_answers_may_end_as_often_as_it_likes() {
        let (mut lives, now) = (Lives::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(lives.wait(now), None);
            lives.begun(now);
            lives.ended(true, "");
        }
    }
}
