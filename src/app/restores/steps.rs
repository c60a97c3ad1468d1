//! The table of steps: what each is called, what it does, and how it is undone.

use super::run::Run;
use super::{check, data, maintenance, safety, settings, trees};
use crate::base::error::{Error, Result};
use crate::db::restores::{Restore, Step as Row};
use crate::domain::element::Element;
use crate::domain::state::StepState;

macro_rules! steps {
    ($($name:ident = $word:literal, $title:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Step { $($name,)* }

        impl Step {
            #[cfg(debug_assertions)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)*];
            pub(super) fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
            pub(super) fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
            /// # Errors
            /// `Internal` for a step that this version does not know.
            pub(super) fn parse(word: &str) -> Result<Self> {
                match word { $($word => Ok(Self::$name),)* _ => Err(Error::internal(format!("unknown step `{word}`"))) }
            }
        }
    };
}

steps! {
    Preflight = "preflight", "Check that everything needed is there";
    SafetyBackup = "safety_backup", "Back up what will be overwritten";
    StageFiles = "stage_files", "Write the files aside";
    StageCode = "stage_code", "Write the code aside";
    StageDatabase = "stage_database", "Import the database aside";
    MaintenanceOn = "maintenance_on", "Maintenance mode on";
    CompleteSafety = "complete_safety", "Complete the safety backup";
    SwitchCode = "switch_code", "Switch the code";
    SwitchFiles = "switch_files", "Switch the files";
    SwitchDatabase = "switch_database", "Switch the database";
    SwitchSettings = "switch_settings", "Point the settings to the database";
    Reload = "reload", "Reload the application";
    CheckData = "check_data", "Check rows and files";
    MaintenanceOff = "maintenance_off", "Maintenance mode off";
    ClearCaches = "clear_caches", "Clear caches";
    AskSite = "ask_site", "Ask the site for its page";
}

impl Step {
    /// From the first of these on, a restore that stops must go back (or, with all of them done, forward).
    pub(super) fn switches(self) -> bool {
        matches!(self, Self::SwitchCode | Self::SwitchFiles | Self::SwitchDatabase | Self::SwitchSettings)
    }
}

/// The steps of a restore, in order. `whole`: the database is restored as a whole, and not some tables of it, which stay in
/// the database that the settings name.
pub(super) fn of_restore(elements: &[Element], whole: bool) -> Vec<Step> {
    use Step as S;
    let has = |e| elements.contains(&e);
    let mut steps = vec![S::Preflight, S::SafetyBackup];
    let mut switches = Vec::new();
    for (element, stage, switch) in [
        (Element::Code, S::StageCode, S::SwitchCode),
        (Element::Files, S::StageFiles, S::SwitchFiles),
        (Element::Database, S::StageDatabase, S::SwitchDatabase),
    ] {
        if has(element) {
            steps.push(stage);
            switches.push(switch);
        }
    }
    if (has(Element::Database) && whole) || has(Element::Code) {
        switches.push(S::SwitchSettings);
    }
    steps.extend([S::MaintenanceOn, S::CompleteSafety]);
    steps.extend(switches);
    steps.extend([S::Reload, S::CheckData, S::MaintenanceOff, S::ClearCaches, S::AskSite]);
    steps
}

/// The rows of these steps, planned.
pub(super) fn lines(restore: &Restore, steps: &[Step]) -> Vec<Row> {
    steps.iter().enumerate().map(|(i, step)| line(restore, i, *step, "{}".into(), None)).collect()
}

pub(super) fn line(restore: &Restore, position: usize, step: Step, journal: String, secret_sealed: Option<Vec<u8>>) -> Row {
    Row {
        tenant_id: restore.tenant_id.clone(),
        restore_id: restore.id.clone(),
        position: position as i64,
        name: step.word().into(),
        state: StepState::Planned.word().into(),
        journal,
        secret_sealed,
        message: None,
        started_at: None,
        finished_at: None,
    }
}

/// What became of a step, and what is shown beside it.
#[derive(Debug)]
pub(super) struct Acted {
    /// `Done`, or `Skipped` where there was nothing to do.
    pub state: StepState,
    pub message: Option<String>,
}

impl Acted {
    pub(super) fn done(message: Option<String>) -> Self {
        Self { state: StepState::Done, message }
    }
    pub(super) fn skipped(why: String) -> Self {
        Self { state: StepState::Skipped, message: Some(why) }
    }
}

/// Does line `i`.
pub(super) async fn act(run: &mut Run<'_>, i: usize) -> Result<Acted> {
    let done = match run.lines[i].step {
        Step::Preflight => check::preflight(run, i).await,
        Step::SafetyBackup => safety::first_pass(run).await,
        Step::StageFiles => trees::stage(run, i, Element::Files).await,
        Step::StageCode => trees::stage(run, i, Element::Code).await,
        Step::StageDatabase => data::stage(run, i).await,
        Step::MaintenanceOn => return maintenance::on(run, i).await,
        Step::CompleteSafety => safety::second_pass(run).await,
        Step::SwitchCode => trees::switch(run, i, Step::StageCode).await,
        Step::SwitchFiles => trees::switch(run, i, Step::StageFiles).await,
        Step::SwitchDatabase => data::switch(run, i).await,
        Step::SwitchSettings => settings::switch(run, i).await,
        Step::Reload => return maintenance::reload(run).await,
        Step::CheckData => check::data(run).await,
        Step::MaintenanceOff => return maintenance::off(run).await,
        Step::ClearCaches => return maintenance::clear_caches(run).await,
        Step::AskSite => return check::ask_site(run, i).await,
    };
    done.map(Acted::done)
}

/// Undoes line `i`, whatever part of it was done. What only looked, or only added a backup, leaves nothing to undo: a
/// safety backup is never taken back.
pub(super) async fn undo(run: &mut Run<'_>, i: usize) -> Result<()> {
    match run.lines[i].step {
        Step::Preflight | Step::SafetyBackup | Step::CheckData | Step::ClearCaches | Step::AskSite => Ok(()),
        // The site is as it was by now: what cannot be cleared away is said, and is no reason to lock it.
        Step::StageFiles | Step::StageCode => {
            let cleared = trees::discard(run, i).await;
            left_over(run, i, cleared).await
        }
        Step::StageDatabase => {
            let cleared = data::discard(run, i).await;
            left_over(run, i, cleared).await
        }
        // It comes just before the first switch, so by now every switch is taken back, and visitors are still kept out. (Not
        // with the step before it: that may have been skipped.)
        Step::CompleteSafety => {
            reload_again(run).await;
            Ok(())
        }
        Step::MaintenanceOn => maintenance::off(run).await.map(drop),
        Step::SwitchCode | Step::SwitchFiles => trees::switch_back(run, i).await,
        Step::SwitchDatabase => data::switch_back(run, i).await,
        Step::SwitchSettings => settings::switch_back(run, i).await,
        // Done again once everything is switched back, before visitors come: see `CompleteSafety`.
        Step::Reload => Ok(()),
        Step::MaintenanceOff => maintenance::on_again(run).await,
    }
}

async fn left_over(run: &Run<'_>, i: usize, cleared: Result<()>) -> Result<()> {
    if let Err(e) = cleared {
        let step = run.lines[i].step.title();
        run.attempt.warn(format!("What the step `{step}` left could not be cleared away: {}", e.sentence())).await;
    }
    Ok(())
}

/// An application that had read the new settings must read the old ones again. A hook that fails here may be what the
/// restore failed of: it is said, and the way back goes on.
async fn reload_again(run: &mut Run<'_>) {
    let reloaded = run.line(Step::Reload).is_some_and(|l| l.state != StepState::Planned);
    if reloaded && let Err(e) = maintenance::reload(run).await {
        run.attempt.warn(e.sentence()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_switched_before_everything_is_staged_and_the_safety_backup_is_complete() {
        for elements in [vec![Element::Database], vec![Element::Files], vec![Element::Code, Element::Files], Element::ALL.to_vec()] {
            let steps = of_restore(&elements, true);
            let first = steps.iter().position(|s| s.switches()).unwrap();
            let at = |step| steps.iter().position(|s| *s == step).unwrap();
            assert!(at(Step::CompleteSafety) < first && at(Step::MaintenanceOn) < at(Step::CompleteSafety));
            assert!(steps.iter().skip(first).all(|s| !matches!(s, Step::StageCode | Step::StageFiles | Step::StageDatabase)));
            assert!(at(Step::CheckData) < at(Step::MaintenanceOff) && at(Step::MaintenanceOff) < at(Step::AskSite));
        }
        assert!(!of_restore(&[Element::Database], false).contains(&Step::SwitchSettings), "tables stay in their database");
    }
}
