import { render } from 'preact';
import './style.css';
import { Shell } from './shell.tsx';

const place = document.getElementById('page');
if (place === null) throw new Error('the page has no place for its content');
render(<Shell />, place);
