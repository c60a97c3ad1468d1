// Follows what the page is about: at each event the page is asked for anew, and its parts (`data-part`) are exchanged where
// they differ. Where events do not come through, it asks every five seconds.
{
  const topic = document.body.dataset.live;
  let busy = false, again = false, polling;

  function exchange(fresh) {
    const old = document.getElementById(fresh.id);
    if (!old || old.innerHTML === fresh.innerHTML) return;
    const focused = document.activeElement;
    if (old.contains(focused) && focused.matches("input, textarea, select")) return;
    const log = old.querySelector(".log");
    const top = log?.scrollTop;
    const atEnd = log && top + log.clientHeight >= log.scrollHeight - 40;
    old.replaceChildren(...document.importNode(fresh, true).childNodes);
    const longer = old.querySelector(".log");
    if (longer && log) longer.scrollTop = atEnd ? longer.scrollHeight : top;
  }

  async function refresh() {
    if (busy) return void (again = true);
    busy = true;
    const page = await fetchPage(location.href);
    page?.querySelectorAll("[data-part][id]").forEach(exchange);
    busy = false;
    if (again) setTimeout(refresh, 300);
    again = false;
  }

  if (topic) {
    const events = new EventSource(`/events?of=${encodeURIComponent(topic)}`);
    events.addEventListener("change", refresh);
    events.addEventListener("open", () => (polling = clearInterval(polling)));
    events.addEventListener("error", () => (polling ??= setInterval(refresh, 5000)));
    addEventListener("pagehide", () => events.close());
  }
}
