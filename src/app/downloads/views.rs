//! How links and what they lead to look to people.

use super::token::Signer;
use super::{Found, content, part_of};
use crate::app::App;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::words::percent;
use crate::db::backups::Backup;
use crate::db::downloads::Archive;
use crate::domain::links::{DownloadLink, LinkState, Offer, Prepared};

/// `tenant/site.env`
pub(super) fn address(backup: &Backup) -> String {
    format!("{}/{}.{}", backup.tenant, backup.site, backup.environment)
}

impl Found {
    pub(super) fn filename(&self) -> Result<String> {
        if let Some(part) = part_of(&self.link) {
            return Ok(part.filename());
        }
        content::filename(&self.backup, &self.element, self.archive.as_ref().map(|(archive, _)| archive.form.as_str()))
    }

    /// The archive that it leads to, with its size and hash.
    pub(super) fn prepared(&self) -> Option<Prepared> {
        prepared(&self.archive.as_ref()?.0)
    }
}

/// Its size and hash, once it is made.
pub(super) fn prepared(archive: &Archive) -> Option<Prepared> {
    Some(Prepared { size: archive.size?.unsigned_abs(), sha256: archive.sha256.clone()? })
}

pub(super) fn offer(found: &Found) -> Result<Offer> {
    let link = &found.link;
    Ok(Offer {
        link: link.id.clone(),
        backup: found.backup.id.clone(),
        environment: address(&found.backup),
        element: found.element()?,
        filename: found.filename()?,
        size: found.element.size.unsigned_abs(),
        files: found.element.files.unsigned_abs(),
        part: part_of(link),
        prepared: found.prepared(),
        uses_left: link.max_uses.map(|most| (most - link.uses).max(0).unsigned_abs()),
        taken: Millis(found.backup.created_at),
        expires: Millis(link.expires_at),
    })
}

pub(super) fn view_of(app: &App, now: Millis, found: &Found) -> Result<DownloadLink> {
    let link = &found.link;
    let state = match link.revoked_at {
        Some(_) => LinkState::Revoked,
        None if now.0 >= link.expires_at => LinkState::Expired,
        None if found.is_used_up() => LinkState::Used,
        None => LinkState::Open,
    };
    let filename = found.filename()?;
    let page = (state == LinkState::Open).then(|| format!("{}/d/{}", app.public_url, Signer::of(&app.sealer).sign(link).expose()));
    let iso = |at: Option<i64>| at.map(|at| Millis(at).iso());
    let (part, prepared) = (part_of(link), found.prepared());
    let size = part.as_ref().map_or(found.element.size.unsigned_abs(), |part| part.size.unwrap_or_default());
    let (path, path_hex) = part.map(|part| part.path.text()).unzip();
    Ok(DownloadLink {
        id: link.id.clone(),
        backup: link.backup_id.clone(),
        environment: address(&found.backup),
        element: found.element()?,
        path,
        path_hex: path_hex.flatten(),
        archive: link.archive_id.clone(),
        url: page.as_ref().map(|page| format!("{page}/{}", percent(&filename))),
        page,
        filename,
        size: prepared.as_ref().map_or(size, |p| p.size),
        sha256: prepared.map(|p| p.sha256),
        state,
        created: Millis(link.created_at).iso(),
        created_by: link.created_by_email.clone(),
        expires: Millis(link.expires_at).iso(),
        revoked: iso(link.revoked_at),
        revoked_by: link.revoked_by.clone(),
        uses: link.uses.unsigned_abs(),
        most_uses: link.max_uses.map(i64::unsigned_abs),
        last_used: iso(link.last_used_at),
    })
}
