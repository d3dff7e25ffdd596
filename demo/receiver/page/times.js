// Times as people read them.

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Seconds since 1970 as 14:03:07, local. */
export function timeOfDay(seconds) {
  return CLOCK.format(new Date(seconds * 1000));
}

/** Seconds that passed, as +9.2 s, +1 min 12 s or +2 h 3 min. */
export function elapsed(seconds) {
  if (seconds < 59.95) return `+${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `+${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `+${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** An element with a time of day that programs can read too. */
export function timeElement(seconds) {
  const made = document.createElement("time");
  made.dateTime = new Date(seconds * 1000).toISOString();
  made.textContent = timeOfDay(seconds);
  return made;
}
