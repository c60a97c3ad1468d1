//! The addresses of pages, typed: whoever links to a page says of what.

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident($($id:ident),*) = $text:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name($($id: &str),*) -> String {
            format!($text)
        }
    )*};
}

paths! {
    environment(id) = "/environments/{id}";
    create_backup(id) = "/environments/{id}/backup";
    backups(id) = "/environments/{id}/backups";
    choose_restore(id) = "/environments/{id}/restore";
    preview_restore(id) = "/environments/{id}/restore/preview";
    retention(id) = "/environments/{id}/retention";
    tenant_retention(id) = "/tenants/{id}/retention";
    restores(id) = "/environments/{id}/restores";
    schedule(id) = "/environments/{id}/schedule";
    schedule_act(id, act) = "/environments/{id}/schedule/{act}";
    tenant_schedule(id) = "/tenants/{id}/schedule";
    recovery_key(site) = "/sites/{site}/recovery-key";
    confirm_recovery_key(site) = "/sites/{site}/recovery-key/confirm";
    backup(id) = "/backups/{id}";
    backup_act(id, act) = "/backups/{id}/{act}";
    /// Inside a backup; the query says where.
    inside(id, query) = "/backups/{id}/browse?{query}";
    compare(id, query) = "/backups/{id}/compare?{query}";
    picture(id, query) = "/backups/{id}/picture?{query}";
    versions(environment, query) = "/environments/{environment}/versions?{query}";
    restore(id) = "/restores/{id}";
    run_drill(id) = "/environments/{id}/drills";
    drill(id) = "/drills/{id}";
    drill_evidence(id) = "/drills/{id}/evidence";
    undo(id) = "/restores/{id}/undo";
    job(id) = "/jobs/{id}";
    cancel(id) = "/jobs/{id}/cancel";
    tenant(id) = "/tenants/{id}";
    alarms(tenant) = "/tenants/{tenant}/alarms";
    digest(tenant) = "/tenants/{tenant}/digest";
    recipients(tenant) = "/tenants/{tenant}/recipients";
    webhooks(tenant) = "/tenants/{tenant}/webhooks";
    webhook_act(tenant, id, act) = "/tenants/{tenant}/webhooks/{id}/{act}";
    administer(id) = "/admin/environments/{id}";
    remove_environment(id) = "/admin/environments/{id}/remove";
    admin_tenant(id, act) = "/admin/tenants/{id}/{act}";
    admin_account(id, act) = "/admin/accounts/{id}/{act}";
    admin_server(id, act) = "/admin/servers/{id}/{act}";
    retry(id) = "/jobs/{id}/retry";
    invitations(tenant) = "/tenants/{tenant}/invitations";
    revoke_invitation(tenant, id) = "/tenants/{tenant}/invitations/{id}/revoke";
    member_act(tenant, account, act) = "/tenants/{tenant}/members/{account}/{act}";
    /// The page of a link that works once: `first`, `invitation`, `reset`.
    one_time(kind, secret) = "/{kind}/{secret}";
    /// A part of one's own account, after something was done there.
    account(act) = "/account/{act}";
    end_session(id) = "/account/sessions/{id}/end";
    revoke_token(id) = "/account/tokens/{id}/revoke";
    /// The form for it, open, on the page of the backup.
    prepare_download(backup) = "/backups/{backup}?prepare=1#prepare";
    download_remove(id) = "/downloads/{id}/remove";
    archive_link(id) = "/archives/{id}/links";
    link_revoke(id) = "/links/{id}/revoke";
    link_renew(id) = "/links/{id}/renew";
}
