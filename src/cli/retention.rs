//! What is kept: the rules of an environment, changed and tried.

use super::client::escaped;
use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::Session;
use crate::base::error::{Error, Result};
use crate::base::units;
use crate::domain::element::Element;
use crate::domain::retention::{Policy, Rules};
use crate::domain::view::{Fate, Retention, Simulated, Simulation, TenantSimulation};
use crate::domain::weekday::Weekday;
use serde_json::json;

/// Whose rules: an environment's, or a tenant's.
#[derive(Clone, Debug, clap::Args)]
pub struct Of {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV", required_unless_present = "tenant")]
    pub environment: Option<String>,
    /// Of this tenant, for all its environments that have no rules of their own
    #[arg(long, value_name = "TENANT", conflicts_with = "environment")]
    pub tenant: Option<String>,
}

impl Of {
    /// Where the rules are asked for.
    fn path(&self, s: &mut Session<'_>) -> Result<String> {
        match &self.tenant {
            Some(name) => Ok(format!("/tenants/{}/retention", escaped(&s.tenant(name)?.id))),
            None => {
                let environment = s.environment(self.environment.as_deref().unwrap_or_default())?;
                Ok(format!("/environments/{}/retention", escaped(&environment.id)))
            }
        }
    }
}

/// Show what is kept of an environment, and for how long
#[derive(Clone, Debug, clap::Args)]
pub struct Info {
    #[command(flatten)]
    pub of: Of,
}

/// Rules, each as it is where it is not given.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Wish {
    /// Of scheduled backups, for example promote_oldest:7,4,12
    #[arg(long, value_name = "POLICY")]
    pub scheduled: Option<String>,
    /// Of those on demand, for example on_demand:30,3
    #[arg(long, value_name = "POLICY")]
    pub on_demand: Option<String>,
    /// Of backups made before a restore and the like
    #[arg(long, value_name = "DAYS")]
    pub safety_days: Option<i64>,
    /// Of failed and cancelled ones
    #[arg(long, value_name = "DAYS")]
    pub failed_days: Option<i64>,
    /// How long a backup lies in the trash
    #[arg(long, value_name = "DAYS")]
    pub grace_days: Option<i64>,
    /// An element that goes before its backup, for example files:7; 0 days: with it
    #[arg(long, value_name = "ELEMENT:DAYS")]
    pub element_days: Vec<String>,
    /// The day of the week on which backups go, or `any`
    #[arg(long, value_name = "DAY")]
    pub purge_on: Option<String>,
    /// Where days, weeks and months begin
    #[arg(long)]
    pub zone: Option<String>,
}

/// Change what is kept; less of it takes a day at the least
#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    #[command(flatten)]
    pub of: Of,
    #[command(flatten)]
    pub wish: Wish,
    /// Follow the rules of the tenant again; a tenant, Sitekeep's own
    #[arg(long, conflicts_with_all = ["scheduled", "on_demand", "safety_days", "failed_days", "grace_days", "element_days", "purge_on", "zone"])]
    pub follow: bool,
}

/// Show what rules would make of the real backups
#[derive(Clone, Debug, clap::Args)]
pub struct Simulate {
    #[command(flatten)]
    pub of: Of,
    #[command(flatten)]
    pub wish: Wish,
}

impl Wish {
    fn on(&self, mut rules: Rules) -> Result<Rules> {
        if let Some(text) = &self.scheduled {
            rules.scheduled = Policy::parse(text)?;
        }
        if let Some(text) = &self.on_demand {
            rules.on_demand = Policy::parse(text)?;
        }
        rules.safety_days = self.safety_days.unwrap_or(rules.safety_days);
        rules.failed_days = self.failed_days.unwrap_or(rules.failed_days);
        rules.grace_days = self.grace_days.unwrap_or(rules.grace_days);
        for text in &self.element_days {
            let (element, days) = element_days(text)?;
            if days == 0 {
                rules.elements.remove(&element)
            } else {
                rules.elements.insert(element, days)
            };
        }
        match self.purge_on.as_deref() {
            None => {}
            Some("any") => rules.purge_on = None,
            Some(day) => rules.purge_on = Some(Weekday::parse(day)?),
        }
        rules.zone = self.zone.clone().unwrap_or(rules.zone);
        Ok(rules)
    }
}

fn element_days(text: &str) -> Result<(Element, i64)> {
    let wrong = || Error::invalid(format!("{text:?} is no element with its days")).hint("write it like files:7");
    let (element, days) = text.split_once(':').ok_or_else(wrong)?;
    Ok((Element::parse(element)?, days.parse().map_err(|_| wrong())?))
}

const COLUMNS: &[Column] = &[
    column("scheduled", "Scheduled"),
    column("on_demand", "On demand"),
    column("safety_days", "Safety, days").right(),
    column("failed_days", "Failed, days").right(),
    column("elements", "Elements"),
    column("purge_on", "On"),
    column("grace_days", "In the trash, days").right(),
    column("zone", "Zone"),
    column("follows", "Follows the tenant"),
    column("effective", "All in force"),
    column("words", "In words"),
];

fn row(r: &Retention) -> Vec<Cell> {
    let rules = &r.rules;
    let elements: Vec<String> = rules.elements.iter().map(|(e, days)| format!("{e}:{days}")).collect();
    vec![
        rules.scheduled.short().into(),
        rules.on_demand.short().into(),
        rules.safety_days.into(),
        rules.failed_days.into(),
        elements.into(),
        rules.purge_on.map_or("any day".to_owned(), |day| day.word().to_owned()).into(),
        rules.grace_days.into(),
        rules.zone.clone().into(),
        r.follows.into(),
        match &r.effective {
            Some(at) => Cell::date(Some(at)),
            None => Cell::shown("now", serde_json::Value::Null),
        },
        rules.words().into(),
    ]
}

fn print(s: &mut Session<'_>, retention: &Retention) -> Result<Exit> {
    let shown = "scheduled,on_demand,safety_days,failed_days,elements,purge_on,grace_days,zone,follows,effective";
    s.print(Sheet::one(COLUMNS, shown, row(retention)))?;
    Ok(Exit::Good)
}

pub fn info(s: &mut Session<'_>, args: &Info) -> Result<Exit> {
    let path = args.of.path(s)?;
    let retention: Retention = s.client()?.get(&path)?;
    print(s, &retention)
}

pub fn set(s: &mut Session<'_>, args: &Set) -> Result<Exit> {
    let path = args.of.path(s)?;
    let now: Retention = s.client()?.get(&path)?;
    let rules = if args.follow { None } else { Some(args.wish.on(now.rules)?) };
    let saved: Retention = s.client()?.put(&path, &json!({ "rules": rules }))?;
    let said = match &saved.effective {
        Some(at) => format!("Saved. What the rules keep is kept at once; what they let go stays at least until {at}."),
        None => "The rules are as they were.".into(),
    };
    s.console.notice(&said);
    print(s, &saved)
}

const SIMULATED: &[Column] = &[
    column("date", "Date"),
    column("state", "State"),
    column("reason", "Reason"),
    column("now", "By the rules in force"),
    column("then", "By these rules"),
    column("goes_now", "Goes now"),
    column("goes_then", "Would go"),
    column("id", "ID"),
];

pub fn simulate(s: &mut Session<'_>, args: &Simulate) -> Result<Exit> {
    let path = args.of.path(s)?;
    let now: Retention = s.client()?.get(&path)?;
    let rules = args.wish.on(now.rules)?;
    if args.of.tenant.is_some() {
        return simulate_tenant(s, &path, &rules);
    }
    let answer: Simulation = s.client()?.post(&format!("{path}/simulation"), &json!({ "rules": rules }))?.body;
    let said = format!("{} of {} would go; by the rules in force {} go.", answer.goes_then, answer.rows.len(), answer.goes_now);
    let mut sheet = Sheet::new(SIMULATED, "date,state,reason,now,then");
    answer.rows.into_iter().for_each(|r| sheet.add(simulated(r)));
    s.print(sheet)?;
    s.console.notice(&said);
    Ok(Exit::Good)
}

const SIMULATED_TENANT: &[Column] = &[
    column("environment", "Environment"),
    column("backups", "Backups").right(),
    column("goes_now", "Go now").right(),
    column("goes_then", "Would go").right(),
    column("id", "ID"),
];

fn simulate_tenant(s: &mut Session<'_>, path: &str, rules: &Rules) -> Result<Exit> {
    let answer: TenantSimulation = s.client()?.post(&format!("{path}/simulation"), &json!({ "rules": rules }))?.body;
    let all: usize = answer.environments.iter().map(|e| e.backups).sum();
    let of = units::count(answer.environments.len() as u64, "environment");
    let said = format!("{} of {all} in {of} would go; by the rules in force {} go.", answer.goes_then, answer.goes_now);
    let mut sheet = Sheet::new(SIMULATED_TENANT, "environment,backups,goes_now,goes_then");
    for e in answer.environments {
        let [backups, now, then] = [e.backups, e.goes_now, e.goes_then].map(|n| Cell::from(n as u64));
        sheet.add(vec![e.environment.into(), backups, now, then, e.id.into()]);
    }
    s.print(sheet)?;
    s.console.notice(&said);
    Ok(Exit::Good)
}

fn simulated(r: Simulated) -> Vec<Cell> {
    vec![
        Cell::date(Some(&r.created)),
        r.state.word().to_owned().into(),
        r.reason.into(),
        words(&r.now).into(),
        words(&r.then).into(),
        r.now.goes_now.into(),
        r.then.goes_now.into(),
        r.id.into(),
    ]
}

fn words(f: &Fate) -> String {
    let by = f.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    match (&f.because, &f.goes) {
        (Some(because), Some(on)) => format!("kept because {because}; goes on {on}{by}"),
        (Some(because), None) => format!("kept because {because}"),
        (None, _) => format!("goes{by}"),
    }
}
