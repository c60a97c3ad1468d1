// Shows what a form would mean while it is filled in: the page is asked for with what is chosen, and one part of it taken over.
document.addEventListener("change", async (event) => {
  const form = event.target.closest("form[data-previews]");
  if (!form) return;
  const asked = new URLSearchParams(new FormData(form));
  asked.set("preview", "1");
  form.dataset.asked = asked;
  const page = await fetchPage(`${location.pathname}?${asked}`);
  const fresh = page?.getElementById(form.dataset.previews);
  if (!fresh || form.dataset.asked !== asked.toString()) return;
  document.getElementById(fresh.id).replaceChildren(...document.importNode(fresh, true).childNodes);
});
