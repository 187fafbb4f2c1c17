// Zoom, pan and highlights for the pictures of a network; without it they can still be scrolled and read.
for (const stage of document.querySelectorAll(".stage")) {
  const view = stage.querySelector(".window");
  const svg = view.querySelector("svg");
  let zoom = 1;

  const set = (next, x, y) => {
    next = Math.min(Math.max(next, 1), 6);
    const box = view.getBoundingClientRect();
    const across = (x ?? box.width / 2), down = (y ?? box.height / 2);
    const left = (view.scrollLeft + across) * next / zoom - across;
    const top = (view.scrollTop + down) * next / zoom - down;
    zoom = next;
    svg.style.width = `${100 * zoom}%`;
    view.scrollTo(left, top);
    stage.classList.toggle("zoomed", zoom > 1);
  };

  stage.querySelector(".tools").hidden = false;
  stage.querySelector("[data-zoom=in]").onclick = () => set(zoom * 1.4);
  stage.querySelector("[data-zoom=out]").onclick = () => set(zoom / 1.4);
  stage.querySelector("[data-zoom=fit]").onclick = () => set(1);

  // A pinch on a touchpad arrives as a wheel with Ctrl; a bare wheel scrolls the page as ever.
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = view.getBoundingClientRect();
    set(zoom * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  let held = null;
  view.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0) held = [event.clientX, event.clientY, false];
  });
  view.addEventListener("pointermove", (event) => {
    if (!held) return;
    const dx = event.clientX - held[0], dy = event.clientY - held[1];
    if (!held[2] && Math.hypot(dx, dy) < 4) return;
    view.scrollBy(-dx, -dy);
    held = [event.clientX, event.clientY, true];
  });
  addEventListener("pointerup", () => setTimeout(() => { held = null; }));
  view.addEventListener("click", (event) => { if (held?.[2]) event.preventDefault(); }, true);
  view.addEventListener("dragstart", (event) => event.preventDefault());

  // Point at a card: what it takes from and what it gives to stand out.
  const links = [...svg.querySelectorAll(".link")];
  for (const card of svg.querySelectorAll(".card")) {
    const key = card.dataset.key;
    const mine = links.filter((link) => link.dataset.start === key || link.dataset.end === key);
    const near = new Set([key, ...mine.flatMap((link) => [link.dataset.start, link.dataset.end])]);
    const show = (on) => {
      svg.classList.toggle("lit", on);
      for (const link of mine) link.classList.toggle("on", on);
      for (const other of svg.querySelectorAll(".card")) other.classList.toggle("on", on && near.has(other.dataset.key));
    };
    const anchor = card.parentElement;
    anchor.addEventListener("pointerenter", () => show(true));
    anchor.addEventListener("pointerleave", () => show(false));
    anchor.addEventListener("focus", () => show(true));
    anchor.addEventListener("blur", () => show(false));
  }
}
