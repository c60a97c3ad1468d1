//! Who gets the letters about a site.

use super::{changed, rows, run};
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{SiteId, TenantId};

/// The addresses that are named for a site; where none is, the tenant's owners get its letters.
pub async fn of_site(conn: &mut Conn, tenant: &TenantId, site: &SiteId) -> Result<Vec<String>> {
    let sql = "select email from recipients where tenant_id = $1 and site_id = $2 order by email";
    let found: Vec<(String,)> = rows(sql).bind(tenant.0.clone()).bind(site.0.clone()).fetch_all(conn).await?;
    Ok(found.into_iter().map(|(email,)| email).collect())
}

/// Names others instead.
pub async fn replace(conn: &mut Conn, tenant: &TenantId, site: &SiteId, emails: &[String]) -> Result<()> {
    changed(conn, run("delete from recipients where tenant_id = $1 and site_id = $2").bind(tenant.0.clone()).bind(site.0.clone())).await?;
    for email in emails {
        let query = run("insert into recipients (tenant_id, site_id, email) values ($1, $2, $3)");
        changed(conn, query.bind(tenant.0.clone()).bind(site.0.clone()).bind(email.clone())).await?;
    }
    Ok(())
}
