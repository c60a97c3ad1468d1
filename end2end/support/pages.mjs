// The pages there are, with something on each: what walks over all of them asks here, part by part.
import { api, here } from "./stage.mjs";

export const parts = ["an environment", "a reader", "the administrators"];

export async function pages(part, site) {
  const environment = `/environments/${site.id}`;
  const [tenant] = await api("/tenants");
  const backup = await api(`/backups/${here().backup}`);
  if (part === "an environment") {
    const restores = await api(`${environment}/restores`);
    return [
      environment,
      `${environment}?trash=1`,
      `${environment}?state=failed&q=nothing`,
      `${environment}/backup`,
      `${environment}/schedule`,
      `${environment}/schedule?preview=1&enabled=1&cadence=weekly&weekday=friday&hour=4&zone=Europe%2FBerlin`,
      `${environment}/retention`,
      `${environment}/retention?preview=1&scheduled=keep_last&scheduled.keep_last.count=1`,
      `${environment}/restore`,
      `${environment}/restore/preview?backup=${backup.id}&to=${site.id}&element=code&element=database&element=files`,
      `/backups/${backup.id}`,
      `/backups/${backup.id}/browse`,
      `/backups/${backup.id}/browse?element=files&path=files`,
      `/backups/${backup.id}/browse?element=database`,
      `/backups/${backup.id}/compare?with=live`,
      `${environment}/restore?backup=${backup.id}&path=files%2Fmedia`,
      ...restores.slice(0, 1).map((restore) => `/restores/${restore.id}`),
      `/jobs/${backup.job}`,
    ];
  }
  if (part === "a reader") return ["/", "/jobs", "/account", "/account/second-factor", "/tenants", `/tenants/${tenant.id}`, `/tenants/${tenant.id}/schedule`, `/tenants/${tenant.id}/retention`, `/tenants/${tenant.id}/alarms`];
  return [
    ...["tenants", "accounts", "sites", "sites/add", "servers", "stores", "queue", "activity", "settings"].map((p) => `/admin/${p}`),
    `/admin/tenants/${tenant.id}/plan`, `/admin${environment}`, `/admin${environment}/remove`,
  ];
}

export const outside = ["/signin", "/forgotten", "/forgotten/sent"];
