// What the browser keeps for this page. A browser that refuses storage keeps it until the page is closed.

const PREFIX = "dpr.";
const unsaved = new Map();

/** The JSON value of a name, or null. */
export function remembered(name, storage = "localStorage") {
  try {
    const value = window[storage].getItem(PREFIX + name);
    if (value !== null) return JSON.parse(value);
  } catch {
    // Refused, or not ours.
  }
  return unsaved.get(name) ?? null;
}

/** Keep a JSON value under a name; null forgets it. */
export function remember(name, value, storage = "localStorage") {
  unsaved.set(name, value);
  try {
    if (value === null) window[storage].removeItem(PREFIX + name);
    else window[storage].setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Kept in memory alone.
  }
}
