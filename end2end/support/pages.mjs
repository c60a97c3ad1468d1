// The pages there are, with something on each: what walks over all of them asks here.
import { api, here } from "./stage.mjs";

export async function pages(site) {
  const backup = await api(`/backups/${here().backup}`);
  const restores = await api(`/environments/${site.id}/restores`);
  const [tenant] = await api("/tenants");
  const environment = `/environments/${site.id}`;
  return [
    "/",
    environment,
    `${environment}?trash=1`,
    `${environment}?state=failed&q=nothing`,
    `${environment}/backup`,
    `${environment}/restore`,
    `${environment}/restore/preview?backup=${backup.id}&to=${site.id}&element=code&element=database&element=files`,
    `/backups/${backup.id}`,
    ...restores.slice(0, 1).map((restore) => `/restores/${restore.id}`),
    "/jobs",
    `/jobs/${backup.job}`,
    "/account", "/account/second-factor", "/tenants", `/tenants/${tenant.id}`,
    `/admin/tenants/${tenant.id}/plan`, `/admin${environment}`, `/admin${environment}/remove`,
    ...["tenants", "accounts", "sites", "sites/add", "servers", "stores", "queue", "activity", "settings"].map((p) => `/admin/${p}`),
  ];
}

export const outside = ["/signin", "/forgotten", "/forgotten/sent"];
