// Moves the figures of a run while it goes on. Without this script the page loads itself again every two seconds.
const run = document.querySelector("[data-events]");
if (run) {
  const events = new EventSource(run.dataset.events);
  events.onmessage = (message) => {
    const progress = JSON.parse(message.data);
    for (const name of ["read", "committed", "rejected"]) {
      run.querySelector(`[data-figure=${name}]`).textContent = progress[name];
    }
    run.querySelector("[data-figure=waits]").textContent = progress.waits ?? "";
    if (progress.ended) {
      events.close();
      location.hash = "report";
      location.reload();
    }
  };
}
// The report takes the focus of whoever has watched the run, so that nobody has to look for it.
if (!run && location.hash == "#report") {
  document.getElementById("report")?.focus();
}
