// Sets the theme before the first paint; the page's modules load after it.
"use strict";

try {
  const theme = JSON.parse(localStorage.getItem("dpr.theme"));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is refused: the theme stays the system's.
}
