// How long the view as customer still lasts. The server ends it; this only counts.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector("[data-left]");
  if (!place) return;
  const ends = performance.now() + Number(place.dataset.left) * 1000;
  const tell = () => {
    const left = Math.max(Math.ceil((ends - performance.now()) / 1000), 0);
    place.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`;
    place.parentElement.classList.toggle("soon", left <= 60);
  };
  tell();
  setInterval(tell, 1000);
});

// Back from another page the browser may still have this one as it was, ended meanwhile.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
