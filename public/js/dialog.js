// Opens a form as a dialog where its page is linked to.
document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const opens = event.target.closest("[data-opens]");
  const dialog = opens && document.getElementById(opens.dataset.opens);
  if (dialog?.showModal) {
    event.preventDefault();
    dialog.showModal();
  }
  event.target.closest("[data-closes]")?.closest("dialog")?.close();
});
