// Our own pages are the only markup that is ever taken over; the content security policy allows this one policy.
const trusted = window.trustedTypes?.createPolicy("sitekeep", { createHTML: (text) => text }) ?? { createHTML: (text) => text };

// The same page as it stands now, or null when it cannot be had.
async function fetchPage(href) {
  const answer = await fetch(href, { credentials: "same-origin", headers: { accept: "text/html", "sitekeep-again": "1" } }).catch(() => null);
  if (!answer || !answer.ok || answer.redirected) return null;
  return new DOMParser().parseFromString(trusted.createHTML(await answer.text()), "text/html");
}
