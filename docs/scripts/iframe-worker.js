// Pages that are opened from a disk may start no worker: a hidden frame runs its script instead, so that the search works there.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget { // the theme's search script looks for this name
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.answer = data => this.dispatchEvent(new MessageEvent("message", { data }));
      this.ready = new Promise(resolve => this.frame.addEventListener("load", resolve));
      const answers = "<script>postMessage = data => frameElement.answer(data)</scr" + "ipt>";
      this.frame.srcdoc = `${answers}<script src="${url}"></scr` + "ipt>";
      const add = () => document.body.append(this.frame);
      document.body ? add() : addEventListener("DOMContentLoaded", add);
    }
    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.remove();
    }
  };
  window.Worker = window.IFrameWorker;
}
