//! Figures of several rounds, and the table that shows their medians.

use super::measure::Cost;
use super::peers::Done;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    First,
    Scattered,
    Clustered,
    Restore,
}

impl Phase {
    const ALL: [Self; 4] = [Self::First, Self::Scattered, Self::Clustered, Self::Restore];

    fn title(self) -> &'static str {
        match self {
            Self::First => "First backup",
            Self::Scattered => "Second night, edits scattered",
            Self::Clustered => "Second night, edits clustered",
            Self::Restore => "Restore",
        }
    }
}

#[derive(Default)]
pub struct Table(Vec<(Phase, String, Cost, u64)>);

impl Table {
    /// Notes what was done, and each part of it that was told apart.
    pub fn add(&mut self, phase: Phase, name: &str, done: &Done, stored: u64) {
        println!("{}: {name}: {}, {:.1} MB stored", phase.title(), done.whole, stored as f64 / 1e6);
        self.0.push((phase, name.to_owned(), done.whole, stored));
        for part in &done.parts {
            println!("  {}: {:.2} s, {:.2} MB stored", part.what, part.wall, part.stored as f64 / 1e6);
            let cost = Cost { wall: part.wall, ..Cost::default() };
            self.0.push((phase, format!("{name}: {}", part.what), cost, part.stored));
        }
    }

    pub fn print(&self) {
        for phase in Phase::ALL {
            println!("\n| {} | wall s | CPU s | peak RSS MB | stored MB |\n|---|---|---|---|---|", phase.title());
            let mut names: Vec<&str> = Vec::new();
            for (_, name, ..) in self.0.iter().filter(|line| line.0 == phase) {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
            for name in names {
                println!("{}", self.row(phase, name));
            }
        }
    }

    fn row(&self, phase: Phase, name: &str) -> String {
        let of = |figure: &dyn Fn(&Cost, u64) -> f64| {
            let lines = self.0.iter().filter(|line| line.0 == phase && line.1 == name);
            median(lines.map(|(_, _, cost, stored)| figure(cost, *stored)).collect())
        };
        let shown = |value: f64, digits: usize| if value > 0.0 { format!("{value:.digits$}") } else { String::new() };
        format!(
            "| {name} | {} | {} | {} | {} |",
            shown(of(&|c, _| c.wall), 2),
            shown(of(&|c, _| c.cpu), 1),
            shown(of(&|c, _| c.peak as f64 / 1e6), 0),
            shown(of(&|_, stored| stored as f64 / 1e6), 1)
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
