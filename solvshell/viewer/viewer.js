// Shows the scenes of a page (see scenes.py) with 3Dmol.js. A view begins when it comes into sight. Wheel and fingers move
// it only once it was clicked, so that nobody who scrolls through the page is caught in it.
(() => {
  "use strict";
  const MOST_VIEWS = 8; // browsers keep about 16 WebGL contexts, and drop the oldest of more
  const started = [];
  const scenesOf = new Map(); // by the element that shows them

  function hasWebGL() {
    const canvas = document.createElement("canvas");
    return Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl"));
  }

  function showLegend(place, legend) {
    place.replaceChildren(...legend.map(([words, color]) => {
      const dot = document.createElement("i");
      dot.style.background = color;
      const entry = document.createElement("span");
      entry.append(dot, words);
      return entry;
    }));
  }

  function onlyWhenClicked(view) {
    const isActive = () => view.classList.contains("active");
    document.addEventListener("click", (event) => view.classList.toggle("active", view.contains(event.target)));
    for (const kind of ["wheel", "touchstart", "touchmove"]) {
      view.addEventListener(kind, (event) => { if (!isActive()) event.stopPropagation(); }, { capture: true, passive: true });
    }
  }

  function stop([root, viewer]) {
    viewer.spin(false);
    const view = root.querySelector(".view");
    const canvas = view.querySelector("canvas");
    const context = canvas.getContext("webgl2") || canvas.getContext("webgl");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    view.replaceChildren();
    inSight.observe(root);
  }

  function start(root) {
    const scenes = scenesOf.get(root);
    const [chooser, view, legend] = ["select", ".view", ".legend"].map((name) => root.querySelector(name));
    const [spin, reset] = root.querySelectorAll("button");
    const viewer = window.$3Dmol.createViewer(view, { backgroundColor: "white", antialias: true });
    let isSpinning = false;

    function show() {
      const scene = scenes[Number(chooser.value)];
      viewer.removeAllModels();
      viewer.removeAllShapes();
      viewer.addModel(scene.model, "mol2");
      scene.styles.forEach(([selection, style]) => viewer.setStyle(selection, style));
      scene.cylinders.forEach((cylinder) => viewer.addCylinder(cylinder));
      viewer.setView([0, 0, 0, 0, 0, 0, 0, 1]);
      viewer.rotate(24, "x");
      viewer.rotate(-32, "y");
      viewer.zoomTo();
      viewer.zoom(Math.min(1, (0.92 * view.clientWidth) / view.clientHeight)); // zoomTo fits the height alone
      viewer.render();
      showLegend(legend, scene.legend);
      view.setAttribute("aria-label", `${scene.title}, in three dimensions; arrow keys turn it`);
    }

    chooser.onchange = show;
    reset.onclick = show;
    spin.onclick = () => {
      isSpinning = !isSpinning;
      viewer.spin(isSpinning ? "y" : false, 0.5);
      spin.textContent = isSpinning ? "stop" : "spin";
    };
    view.onkeydown = (event) => {
      const turn = { ArrowLeft: [-10, "y"], ArrowRight: [10, "y"], ArrowUp: [-10, "x"], ArrowDown: [10, "x"] }[event.key];
      if (turn) { viewer.rotate(...turn); viewer.render(); event.preventDefault(); }
    };
    show();
    spin.textContent = "spin";
    started.push([root, viewer]);
    if (started.length > MOST_VIEWS) stop(started.shift());
  }

  const inSight = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      inSight.unobserve(entry.target);
      start(entry.target);
    }
  }, { rootMargin: "200px" });

  if (!hasWebGL()) return; // the pictures stay
  for (const root of document.querySelectorAll(".viewer")) {
    const chooser = root.querySelector("select");
    const scenes = JSON.parse(root.querySelector("script").textContent);
    scenesOf.set(root, scenes);
    chooser.replaceChildren(...scenes.map((scene, number) => new Option(scene.title, String(number))));
    chooser.hidden = scenes.length === 1;
    root.querySelectorAll(".bar, .view, .legend").forEach((part) => { part.hidden = false; });
    root.querySelectorAll(".picture").forEach((part) => { part.hidden = true; });
    onlyWhenClicked(root.querySelector(".view"));
    inSight.observe(root);
  }
})();
