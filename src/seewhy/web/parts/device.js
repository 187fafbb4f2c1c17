// Keeps one secret in the browser, so that a player is known again after a reload.

const PLACE = "seewhy-player";

export default function ({ data, setStateValue }) {
  try {
    if (data.keep) {
      localStorage.setItem(PLACE, data.keep); // what Python says it need not be told
      return;
    }
    if (data.forget) localStorage.removeItem(PLACE);
    setStateValue("token", localStorage.getItem(PLACE) ?? "");
  } catch {
    setStateValue("token", ""); // a browser that keeps nothing: the name lasts for this visit
  }
}
