//! What happens to a site between two nights. The same amount in both ways: two posts of a hundred edited, a few files
//! replaced, a few new ones. What differs is where: all over the site, or side by side, as on most sites.

use super::site::{self, Dice, FIRST_POST};
use crate::support::wordpress::Wordpress;
use std::path::PathBuf;

const EDITED: u64 = 50;
const REPLACED: usize = 300;

fn posts(site: &Wordpress) -> u64 {
    site.sql(&format!("select count(*) from wp_posts where ID >= {FIRST_POST}")).trim().parse().expect("a count is a number")
}

fn edit(site: &Wordpress, night: u64, which: &str) {
    site.sql(&format!(
        "update wp_posts set post_content = concat(post_content, '<p>night {night}: a sentence or two were added</p>'), \
         post_modified = now() where ID >= {FIRST_POST} and {which}"
    ));
}

/// Everywhere: every fiftieth post, every so-manyth file.
pub fn scattered(site: &Wordpress, night: u64) {
    edit(site, night, &format!("ID % {EDITED} = {}", night % EDITED));
    let old = old_files(site);
    for path in old.iter().skip(night as usize).step_by(REPLACED) {
        replace(site, path, night);
    }
    new(site, night, old.len());
}

/// Side by side: the same number of posts with neighbouring numbers, files of one folder.
pub fn clustered(site: &Wordpress, night: u64) {
    let count = posts(site) / EDITED;
    let from = FIRST_POST + count * (night % EDITED);
    edit(site, night, &format!("ID >= {from} and ID < {}", from + count));
    let old = old_files(site);
    for path in old.iter().skip(old.len() / 2).take(old.len() / REPLACED) {
        replace(site, path, night);
    }
    new(site, night, old.len());
}

fn old_files(site: &Wordpress) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    for month in std::fs::read_dir(site.uploads().join("2019")).expect("the uploads can be read").flatten() {
        all.extend(std::fs::read_dir(month.path()).expect("a month can be read").flatten().map(|e| e.path()));
    }
    all.sort();
    all
}

fn replace(site: &Wordpress, path: &std::path::Path, night: u64) {
    let size = path.metadata().map_or(1000, |m| m.len()).min(3_000_000);
    site::write_file(site, path, size, &mut Dice::new(1000 + night, size));
}

/// New files and the newest posts: a day's work.
fn new(site: &Wordpress, night: u64, files: usize) {
    site::uploads(site, "2020", files as u64 / 250 * 300_000, 2000 + night);
    let next: u64 = site.sql("select max(ID) + 1 from wp_posts").trim().parse().expect("a number");
    site::add_posts(site, next..next + posts(site) / 200, 3000 + night);
}
