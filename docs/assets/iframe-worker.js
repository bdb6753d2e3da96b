/* Search without a server: a page that is opened as a file may start no worker, so the worker's script runs in a frame. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      const scope = this.frame.contentWindow;
      const page = scope.document;
      this.ready = new Promise((resolve) => {
        scope.addEventListener("error", (event) => this.dispatchEvent(new ErrorEvent("error", { message: event.message })));
        page.open();
        page.write("<!doctype html><html><body></body></html>");
        page.close();
        scope.postMessage = (data) => this.tell(data);
        scope.importScripts = (...urls) =>
          urls.reduce((before, one) => before.then(() => load(page, one)), Promise.resolve());
        load(page, url).then(() => resolve(scope));
      });
    }

    tell(data) {
      const event = new MessageEvent("message", { data });
      this.dispatchEvent(event);
      if (this.onmessage) this.onmessage(event);
    }

    postMessage(data) {
      this.ready.then((scope) => scope.dispatchEvent(new scope.MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}

function load(page, url) {
  return new Promise((resolve, reject) => {
    const script = page.createElement("script");
    script.src = url;
    script.onload = () => resolve();
    script.onerror = () => reject(new Error(`no script ${url}`));
    page.body.appendChild(script);
  });
}
