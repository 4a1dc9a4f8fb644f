/** Whether the page is dark: JupyterLab says so on the body, other pages by what the reader prefers. */

const ATTRIBUTE = "data-jp-theme-light";

export function isDark(): boolean {
  const light = document.body.getAttribute(ATTRIBUTE);
  return light === null ? window.matchMedia("(prefers-color-scheme: dark)").matches : light === "false";
}

/** Calls back when that may have changed; returns what ends it. */
export function onThemeChange(callback: () => void): () => void {
  const observer = new MutationObserver(callback);
  observer.observe(document.body, { attributes: true, attributeFilter: [ATTRIBUTE, "data-jp-theme-name"] });
  const preference = window.matchMedia("(prefers-color-scheme: dark)");
  preference.addEventListener("change", callback);
  return () => {
    observer.disconnect();
    preference.removeEventListener("change", callback);
  };
}
