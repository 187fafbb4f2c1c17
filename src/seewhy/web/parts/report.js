// Shows the part of a report as part of the page: its own styles reach nothing else, and no frame has to be measured.

export default function ({ data, parentElement: root }) {
  if (root.shown === data.key) return;
  root.shown = data.key;
  root.innerHTML = `<style>${data.style}</style><div class="report">${data.lead}${data.main}</div>`;
  enliven(root);
  root.onclick = (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link) return;
    event.preventDefault(); // the page's address is not the report's
    root.querySelector(`[id="${CSS.escape(link.hash.slice(1))}"]`)?.scrollIntoView({ behavior: "smooth" });
  };
}

function enliven(document) {
