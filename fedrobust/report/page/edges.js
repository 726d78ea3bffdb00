// A table that goes on beyond the right edge of its box fades out there.

const boxes = new ResizeObserver((entries) => entries.forEach(({ target }) => fade(target)));

function fade(box) {
  const beyond = box.scrollWidth - box.clientWidth - box.scrollLeft;
  box.classList.toggle("more", beyond > 1);
}

function watchEdges() {
  const scrolled = ({ target }) => target.matches?.(".wide") && fade(target);
  document.addEventListener("scroll", scrolled, { capture: true, passive: true });
}
