//! After damage was found: what can be saved in the repository is saved, and the rest leaves its index, so that the next
//! backup stores it anew. It is a part of the clean-up, which has the repository for itself.

use crate::app::attempt::Attempt;
use crate::base::error::Result;
use crate::base::units;
use crate::db;
use crate::domain::ids::{SiteId, TenantId};
use crate::engine::{Mended, Repository};

/// Whether anything had been found to be damaged.
pub(super) async fn run(attempt: &Attempt, tenant: &TenantId, site: &SiteId, repository: &Repository) -> Result<bool> {
    let row = db::space::repository(&mut *attempt.app.pool.get().await?, tenant, site).await?;
    let Some(found) = row.and_then(|row| row.damaged) else { return Ok(false) };
    attempt.phase("Mending what was found to be damaged", None).await?;
    attempt.fence().await?;
    let (repository, packs) = (repository.clone(), packs(&found));
    let mended = attempt.blocking(move |watch| repository.mend(&packs, watch)).await?;
    if mended != Mended::default() {
        attempt.warn(said(&mended)).await;
    }
    Ok(true)
}

/// The packs that the words of a check name.
fn packs(found: &str) -> Vec<String> {
    let of_packs = found.split("; ").filter(|part| part.starts_with("packs "));
    let words = of_packs.flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric()));
    words.filter(|w| w.len() == 64 && w.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_owned).collect()
}

fn said(mended: &Mended) -> String {
    let [packs, indexes] = [(mended.packs, "damaged pack"), (mended.indexes, "damaged index")].map(|(n, what)| units::count(n, what));
    let saved = units::count(mended.saved, "piece");
    let lost = match mended.lost {
        0 => "nothing was lost".to_owned(),
        n => format!("{} lost: the next backup brings back what the site still has", units::count(n, "piece")),
    };
    format!("Mended: {packs} and {indexes} taken out, {saved} of them saved, {lost}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packs_are_those_that_a_check_named_and_no_backup_is_one() {
        let (one, two) = ("a1".repeat(32), "b2".repeat(32));
        let found = format!(
            "packs {one}, {two}; 1 backup needs them: shop.live of 2026 (bak_1); index/{} is damaged; packs {one}; none",
            "c3".repeat(32)
        );
        assert_eq!(packs(&found), [one.clone(), two, one]);
    }
}
