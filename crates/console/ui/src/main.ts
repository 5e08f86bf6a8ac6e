import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { enter } from "./lib/session";

const key = await enter();
mount(App, { target: document.body, props: { entered: key } });
