// The pages there are, with something on each: what walks over all of them asks here.
import { api, backUp } from "./stage.mjs";

export async function pages(site) {
  const list = await api(`/environments/${site.id}/backups?limit=500`);
  const backup = list.find((b) => b.state === "succeeded" && !b.deleted) ?? (await backUp(site, "For the pages"));
  const restores = await api(`/environments/${site.id}/restores`);
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
    "/account", "/account/second-factor", "/tenants",
    ...["tenants", "accounts", "sites", "sites/add", "servers", "stores", "queue", "activity", "settings"].map((p) => `/admin/${p}`),
  ];
}

export const outside = ["/signin", "/forgotten"];
